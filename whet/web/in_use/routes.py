"""/monitor: models that are asked; /monitor/NAME: one, its numbers, whether it still fits, and its requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Response

from whet.monitoring.alarm import written_time
from whet.server.routes.feedback import FeedbackBody, create_feedback
from whet.text.wording import percent
from whet.web.asked import Admin, Asked, Inferrer, Trainer
from whet.web.in_use import facts, retraining, watched
from whet.web.live import follow
from whet.web.page import PageRoute, render, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Words = Annotated[str, Query(max_length=200)]


@router.get("/monitor")
def overview(asked: Trainer) -> Response:
    view = {"total": facts.total(asked), "models": facts.models(asked), "newest": facts.NEWEST}
    return show(asked, "in_use/overview.html.j2", traces=asked.service.settings.traces, **view)


@router.get("/monitor/{name}")
def model_page(
    asked: Trainer,
    name: str,
    which: facts.Which = "all",
    workload: Words = "",
    client: Words = "",
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    found, more = facts.page_of(asked, name, which, workload, client, after)
    kept = {"which": which, "workload": workload, "client": client}
    view = {"traffic": facts.traffic(asked, name), "found": found, "more": more, "kept": kept, **_plan(asked, name)}
    words = {"percent": percent, "time": written_time, "after": after, "most": facts.NEWEST}
    return show(asked, "in_use/model.html.j2", mode=asked.service.settings.traces, **view, **words)


@router.get("/monitor/{name}/look")
def look(asked: Trainer, name: str) -> Response:
    """Loaded after the page."""
    told, wrong = facts.look(asked, name)
    return show(asked, "in_use/look.html.j2", name=name, told=told, wrong=wrong, most=facts.LOOKED_AT)


# ---- alarms of the watch


@router.get("/monitor/{name}/watch")
def watch(asked: Trainer, name: str) -> Response:
    """Loaded after the page."""
    view = {"watches": watched.watches(asked, name), "is_tuned": watched.run_of(asked, name) is not None}
    return show(asked, "in_use/watch.html.j2", name=name, time=written_time, **view)


@router.post("/monitor/{name}/acknowledge")
def acknowledge(
    asked: Trainer,
    name: str,
    alarm: Annotated[str, Form(max_length=200)],
    why: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    watched.acknowledge(asked, name, alarm, why.strip())
    return Response(status_code=204, headers={"hx-refresh": "true"})


# ---- the next version


@router.post("/monitor/{name}/retrain")
def plan_retrain(asked: Admin, name: str) -> Response:
    """A worker plans it; nothing is trained."""
    retraining.ask(asked, name)
    return Response(status_code=204, headers={"hx-refresh": "true"})


@router.get("/monitor/{name}/retrain/live")
def retrain_live(asked: Trainer, name: str) -> Response:
    def look() -> tuple[str, bool]:
        view = _plan(asked, name)
        return render(asked, "in_use/plan.html.j2", **view), view["plan"] is None or view["plan"].is_over

    return follow(asked, look)


def _plan(asked: Asked, name: str) -> dict[str, Any]:
    plan, can = retraining.plan_of(asked, name), retraining.can_be(asked, name)
    settings = asked.service.settings
    return {"name": name, "plan": plan, "can": can, "workers": settings.workers, "settings": settings}


# ---- one request


@router.get("/monitor/{name}/requests/{trace_id}")
def one_request(asked: Trainer, name: str, trace_id: str) -> Response:
    return show(asked, "in_use/trace.html.j2", name=name, trace=facts.trace(asked, trace_id), time=written_time)


@router.post("/monitor/{name}/requests/{trace_id}/feedback")
def say(
    asked: Inferrer,
    name: str,
    trace_id: str,
    thumb: Literal["", "up", "down"] = Form(""),
    corrected: Annotated[str, Form(max_length=65_536)] = "",
    comment: Annotated[str, Form(max_length=8_192)] = "",
) -> Response:
    given = {
        "id": trace_id,
        "by": "studio",
        "thumb": thumb or None,
        "corrected": corrected or None,
        "comment": comment.strip() or None,
    }
    create_feedback(asked.request, FeedbackBody.model_validate(given), asked.caller)
    return Response(status_code=204, headers={"hx-refresh": "true"})
