"""/models: everything that answers; /models/NAME: versions, what is live, and how that is changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Response

from whet.verbs.versions.promotion import promote, roll_back
from whet.web.asked import Admin, Anybody
from whet.web.models import facts
from whet.web.page import PageRoute, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Version = Annotated[int, Form(ge=1)]


@router.get("/models")
def list_all(asked: Anybody, run: Annotated[str, Query(max_length=200)] = "") -> Response:
    """With `run`, it is asked which name that run shall have."""
    offered = asked.run(run) if run else None
    names = facts.named(asked)
    known = {model.name for model in names}
    others = [one for one in facts.answering(asked) if one.name not in known]
    return show(asked, "models/list.html.j2", names=names, others=others, run=offered)


@router.post("/models")
def name_run(asked: Admin, run: Annotated[str, Form()], name: Annotated[str, Form(max_length=100)] = "") -> Response:
    facts.give_name(asked, asked.run(run), name.strip())
    return _to(name.strip())


@router.get("/models/{name}")
def model_page(asked: Anybody, name: str, version: int | None = None) -> Response:
    model = facts.find(asked, name)
    shown = version or model.current or model.versions[-1].version
    view = {"model": model, "versions": facts.versions(asked, model), "shown": shown}
    return show(asked, "models/model.html.j2", **view, lineage=facts.lineage_of(asked, model, shown))


@router.post("/models/{name}/promote")
def make_live(asked: Admin, name: str, version: Version, why: Annotated[str, Form(max_length=1000)] = "") -> Response:
    """Without a reason `why`, only what its verdict and its proof let through."""
    facts.find(asked, name)
    promote(name, version, facts.root_of(asked), force=bool(why.strip()), why=why.strip() or None)
    return _to(name)


@router.post("/models/{name}/rollback")
def go_back(asked: Admin, name: str) -> Response:
    facts.find(asked, name)
    roll_back(name, facts.root_of(asked))
    return _to(name)


def _to(name: str) -> Response:
    return Response(status_code=204, headers={"hx-redirect": f"/models/{name}"})
