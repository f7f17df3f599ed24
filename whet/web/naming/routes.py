"""/models: everything that answers; /models/NAME: versions, what is live, and how that is changed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import StreamingResponse

from whet.release.catalogue import form_names
from whet.server.access.caller import ADMIN
from whet.server.routes.traffic import TrialBody, begin_traffic, end_traffic, retrieve_traffic, roll_back_model
from whet.verbs.versions.traffic import CALLED, TrialState, percent
from whet.web.asked import Admin, Anybody, Asked
from whet.web.live import follow
from whet.web.naming import facts, releasing
from whet.web.naming.card import card_of
from whet.web.naming.tree import summary, tree_of
from whet.web.page import PageRoute, render, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Number = Annotated[int, Form(ge=1)]
Shown = Annotated[int | None, Query(ge=1)]


@router.get("/models")
def list_all(asked: Anybody, run: Annotated[str, Query(max_length=200)] = "") -> Response:
    """With `run`, it is asked which name that run shall have."""
    offered = asked.run(run) if run else None
    names = facts.named(asked)
    known = {model.name for model in names}
    others = [one for one in asked.models() if one.name not in known]
    return show(asked, "naming/list.html.j2", names=names, others=others, run=offered)


@router.post("/models")
def name_run(asked: Admin, run: Annotated[str, Form()], name: Annotated[str, Form(max_length=100)] = "") -> Response:
    version = facts.give_name(asked, asked.run(run), name.strip())
    return _to(name.strip(), version)


@router.get("/models/{name}")
def model_page(asked: Anybody, name: str, version: Shown = None, against: Shown = None) -> Response:
    model = facts.find(asked, name)
    shown = facts.version_of(model, version)
    differs = facts.difference(asked, model, against, shown) if against else None
    view = {"model": model, "versions": facts.versions(asked, model), "shown": shown, "against": against}
    words = {"called": CALLED, "percent": percent}
    return show(asked, "naming/model.html.j2", **view, differs=differs, **words, **_work(asked, name))


@router.get("/models/{name}/standing")
def standing(asked: Anybody, name: str, version: Shown = None) -> Response:
    """What is missing, proofs and lineage, loaded after the page: every file of a release is read for it."""
    model = facts.find(asked, name)
    found = facts.standing(asked, model, facts.version_of(model, version))
    tree = tree_of(found.lineage, name, asked.may(ADMIN)) if found.lineage is not None else None
    more = summary(found.lineage) if found.lineage is not None else []
    view = {"model": model, "found": found, "tree": tree, "more": more, "forms": form_names()}
    return show(asked, "naming/standing.html.j2", **view, **_work(asked, name))


@router.get("/models/{name}/card")
def card(asked: Anybody, name: str, version: Shown = None) -> Response:
    """To read and to print."""
    model = facts.find(asked, name)
    found = facts.standing(asked, model, facts.version_of(model, version))
    text = card_of(found.run) if found.run is not None else None
    return show(asked, "naming/card.html.j2", model=model, version=found.version.version, text=text)


@router.post("/models/{name}/promote")
def make_live(
    asked: Admin,
    name: str,
    version: Number,
    how: Literal["proved", "forced"] = Form("proved"),
    why: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """By force, a reason is asked for and written down; else a verdict that says yes and a proof that counts."""
    facts.make_live(asked, name, version, why.strip() if how == "forced" else "")
    return _to(name, version)


@router.post("/models/{name}/rollback")
def go_back(asked: Admin, name: str) -> Response:
    facts.find(asked, name)
    roll_back_model(asked.request, name, asked.caller)
    return _to(name)


# ---- a version beside the live one


@router.get("/models/{name}/beside")
def beside(asked: Admin, name: str) -> Response:
    """What was seen of the version that is tried; loaded after the page."""
    facts.find(asked, name)
    told = retrieve_traffic(asked.request, name, asked.caller)
    return show(asked, "naming/beside.html.j2", state=TrialState({**told, "name": name}), percent=percent)


@router.post("/models/{name}/beside")
def try_beside(
    asked: Admin,
    name: str,
    version: Number,
    kind: Literal["canary", "shadow", "ab"] = Form("canary"),
    share: Annotated[float, Form(ge=0, le=100, allow_inf_nan=False)] = 10.0,
) -> Response:
    """`share` in percent of the clients."""
    facts.find(asked, name)
    begin_traffic(asked.request, name, TrialBody(kind=kind, version=version, share=share / 100), asked.caller)
    return _to(name, version)


@router.post("/models/{name}/beside/end")
def end_trial(asked: Admin, name: str) -> Response:
    facts.find(asked, name)
    end_traffic(asked.request, name, asked.caller)
    return _to(name)


# ---- releases


@router.post("/models/{name}/releases")
def release(asked: Admin, name: str, version: Number, to: Annotated[str, Form(max_length=40)]) -> Response:
    """A worker writes and proves it; the page may be left."""
    model = facts.find(asked, name)
    releasing.ask(asked, model, facts.version_of(model, version), to)
    return _to(name, version)


@router.get("/models/{name}/releases/live")
def releases_live(asked: Anybody, name: str) -> Response:
    facts.find(asked, name)

    def look() -> tuple[str, bool]:
        view = _work(asked, name)
        html = render(asked, "naming/work.html.j2", model=facts.find(asked, name), **view)
        return html, all(one.is_over for one in view["work"])

    return follow(asked, look)


@router.get("/models/{name}/releases/{folder}")
def download(asked: Admin, name: str, folder: str, version: Shown = None) -> Response:
    """A release as one archive. Raises ApiError 404, and 413 for one that is too large for that."""
    model = facts.find(asked, name)
    place = releasing.place_of(facts.standing(asked, model, facts.version_of(model, version)), folder)
    headers = {"content-disposition": f'attachment; filename="{model.name}-{place.name}.zip"'}
    return StreamingResponse(releasing.archive(place), media_type="application/zip", headers=headers)


def _work(asked: Asked, name: str) -> dict[str, Any]:
    work, told = releasing.work_on(asked, name), lambda text: facts.told_to(asked, text)
    return {"work": work, "workers": asked.service.settings.workers, "told": told}


def _to(name: str, version: int | None = None) -> Response:
    place = f"/models/{name}" if version is None else f"/models/{name}?version={version}"
    return Response(status_code=204, headers={"hx-redirect": place})
