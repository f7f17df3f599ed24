"""/label: choose what to judge, then one item after the other, for several people at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Response

from whet.server.errors import ApiError
from whet.server.routes.files import keep_rows
from whet.server.traces.labelling import Kind, judge, preferences, undo
from whet.web.asked import Inferrer, Trainer
from whet.web.label import facts
from whet.web.page import PageRoute, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Who = Annotated[str, Query(max_length=200)]
Name = Annotated[str, Form(min_length=1, max_length=200)]


@router.get("/label")
def begin(asked: Inferrer, model: str = "", kind: Kind = "answers", who: Who = "") -> Response:
    """With a model and a name, the item that this person has in hand."""
    known = facts.models(asked)
    view = {"models": known, "model": model if model in known else "", "kind": kind, "who": who.strip()}
    if view["model"] and view["who"]:
        return show(asked, "label/label.html.j2", **facts.view(asked, model, kind, who.strip()))
    return show(asked, "label/begin.html.j2", **view, content_kept=asked.service.tracing.mode == "content")


@router.post("/label/judge")
def say(
    asked: Inferrer,
    model: Annotated[str, Form()],
    kind: Annotated[Kind, Form()],
    who: Name,
    item: Annotated[str, Form()],
    choice: Annotated[str, Form()],
    corrected: Annotated[str, Form(max_length=65_536)] = "",
) -> Response:
    """Gives the next item."""
    told = ""
    try:
        chosen = facts.item_named(facts.items(asked, model, kind), item)
        judge(asked.service.database, asked.caller.project, who, chosen, choice, corrected)
    except ApiError as error:
        if error.status not in (404, 409):
            raise
        told = error.message
    return show(asked, "label/item.html.j2", **facts.view(asked, model, kind, who, told))


@router.post("/label/undo")
def take_back(asked: Inferrer, model: Annotated[str, Form()], kind: Annotated[Kind, Form()], who: Name) -> Response:
    database, project = asked.service.database, asked.caller.project
    done = undo(database, project, who, facts.items(asked, model, kind))
    told = "Taken back: here it is again." if done else "There is nothing of yours to take back here."
    return show(asked, "label/item.html.j2", **facts.view(asked, model, kind, who, told))


@router.post("/label/file")
def make_file(asked: Trainer, model: Annotated[str, Form()]) -> Response:
    """The pairs that were chosen, as a file of the project that a run can learn from."""
    found = facts.items(asked, model, "pairs")
    rows, _ = preferences(asked.service.database, asked.caller.project, found)
    if not rows:
        raise ApiError(400, "No pair has a choice that all agree on yet: compare some first.", code="no_rows")
    made = keep_rows(asked.service, asked.caller, f"preferences-{model}.jsonl".replace("/", "-"), rows)
    return Response(status_code=204, headers={"hx-redirect": f"/data/{made['id']}"})
