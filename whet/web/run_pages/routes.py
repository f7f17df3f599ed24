"""/runs: the list; /runs/NAME: one, with what moves, its curves and its acts."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from whet.monitoring.alarm import written_time
from whet.server.errors import ApiError, not_found
from whet.server.jobs import records
from whet.store.removal import remove_runs
from whet.text.numbers import format_rough_duration
from whet.web.asked import Anybody, Asked, Trainer
from whet.web.live import follow
from whet.web.new_run.form import address_of
from whet.web.page import PageRoute, render, show
from whet.web.run_pages import facts

router = APIRouter(route_class=PageRoute, include_in_schema=False)
HEADS = (("name", "run"), ("status", "state"), ("created", "made"), ("method", "method"), ("base", "base"),
         ("tuned_score", "score"), ("verdict", "verdict"))  # fmt: skip
ACTS = {"cancel": records.cancel_job, "pause": records.pause_job, "resume": records.resume_job}


@router.get("/runs")
def list_all(
    asked: Anybody,
    sort: facts.Order = "created",
    down: bool = True,
    text: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1)] = 1,
) -> Response:
    found = facts.listed(asked, sort, down, text)
    shown = found[(page - 1) * facts.A_PAGE : page * facts.A_PAGE]
    titles = facts.titles(asked, [one.name for one in shown])
    view = {"runs": shown, "titles": titles, "all": len(found), "sort": sort, "down": down, "text": text, "page": page}
    return show(asked, "run_pages/list.html.j2", heads=HEADS, a_page=facts.A_PAGE, **view)


@router.get("/runs/{name}")
def run_page(asked: Anybody, name: str) -> Response:
    page = facts.page_of(asked, name)
    return show(asked, "run_pages/run.html.j2", **_view(asked, page), choices=facts.choices_of(page.run))


@router.get("/runs/{name}/live")
def run_live(asked: Anybody, name: str) -> Response:
    facts.page_of(asked, name)

    def look() -> tuple[str, bool]:
        page = facts.page_of(asked, name)
        return render(asked, "run_pages/now.html.j2", **_view(asked, page)), page.is_over

    return follow(asked, look)


@router.get("/runs/{name}/curves")
def run_curves(asked: Anybody, name: str) -> Response:
    return JSONResponse(facts.curves(facts.page_of(asked, name).steps))


@router.post("/runs/{name}/{act}")
def change(asked: Trainer, name: str, act: Literal["cancel", "pause", "resume"]) -> Response:
    """What it is at now is told by the page itself."""
    ACTS[act](asked.service.database, asked.caller.project, name)
    return Response(status_code=204, headers={"hx-refresh": "true"})


@router.delete("/runs/{name}")
def remove(asked: Trainer, name: str) -> Response:
    """With the model of a job, which would have nothing to answer with. Raises ApiError for a run at work, and one
    whose model is live or pinned; what was given a name stays with its name."""
    run, page = asked.run(name), facts.page_of(asked, name)
    if not page.is_over:
        raise ApiError(409, f"{page.title} is at work: stop it first.", code="run_at_work")
    remove_runs([run.name], run.folder.parent)
    if page.job is not None and page.job.fine_tuned_model:
        with suppress(ApiError):  # somebody has deleted it already
            asked.service.answering.catalogue.remove(page.job.fine_tuned_model, asked.caller.project)
    return Response(status_code=204, headers={"hx-redirect": "/runs"})


@router.get("/runs/{name}/report")
def report(asked: Anybody, name: str) -> Response:
    """The report as one file, to keep or to send."""
    path = asked.run(name).folder / "report.html"
    if not path.is_file():
        raise not_found("report", name)
    headers = {"content-disposition": f'attachment; filename="report-{name}.html"'}
    return Response(path.read_bytes(), media_type="text/html", headers=headers)


def _view(asked: Asked, page: facts.RunPage) -> dict[str, Any]:
    again = address_of(page.job) if page.job is not None and asked.may("train") else ""
    return {"run": page, "again": again, "duration": format_rough_duration, "time": written_time}
