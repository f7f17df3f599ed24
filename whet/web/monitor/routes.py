"""/monitor: models that are asked; /monitor/NAME: one, its numbers, whether it still fits, and its requests."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from whet.monitoring.alarm import written_time
from whet.text.wording import percent
from whet.web.asked import Trainer
from whet.web.monitor import facts
from whet.web.page import PageRoute, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/monitor")
def overview(asked: Trainer) -> Response:
    view = {"total": facts.total(asked), "models": facts.models(asked), "newest": facts.NEWEST}
    return show(asked, "monitor/overview.html.j2", traces=asked.service.settings.traces, **view)


@router.get("/monitor/{name}")
def model_page(
    asked: Trainer, name: str, feedback: bool = False, after: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    found, more = facts.page_of(asked, name, feedback, after)
    view = {"name": name, "traffic": facts.traffic(asked, name), "found": found, "more": more, "feedback": feedback}
    words = {"percent": percent, "time": written_time, "after": after}
    return show(asked, "monitor/model.html.j2", mode=asked.service.settings.traces, **view, **words)


@router.get("/monitor/{name}/look")
def look(asked: Trainer, name: str) -> Response:
    told, wrong = facts.look(asked, name)
    return show(asked, "monitor/look.html.j2", name=name, told=told, wrong=wrong, most=facts.LOOKED_AT)


@router.get("/monitor/{name}/requests/{trace_id}")
def one_request(asked: Trainer, name: str, trace_id: str) -> Response:
    return show(asked, "monitor/trace.html.j2", name=name, trace=facts.trace(asked, trace_id), time=written_time)
