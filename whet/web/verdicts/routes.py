"""/runs/NAME/verdict: should we ship it?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from whet.reports.page import templates_of_a_page
from whet.reports.report import draw_page
from whet.reports.run_files import RunFiles
from whet.server.errors import ApiError
from whet.web.asked import Anybody, Asked
from whet.web.page import PageRoute, show
from whet.web.run_pages.facts import job_of, titles

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/runs/{name}/verdict")
def verdict(asked: Anybody, name: str) -> Response:
    """The sections of the report, in the frame of the studio."""
    run = asked.run(name)
    files = RunFiles(run.folder)
    if not files["evaluation.json"]:
        what = f"{name} was not measured: it is {run.status}. whet eval {name} measures it."
        raise ApiError(404, what, code="no_verdict", param="run")

    environment = templates_of_a_page()
    drawn = draw_page(files, environment, name)
    parts: Any = environment.get_template("report_parts.html.j2").module
    view = {
        "name": name,
        "title": titles(asked, [name]).get(name, name),
        "sections": list(drawn.values()),
        "contents": parts.contents([(section.key, section.title) for section in drawn if section.title]),
        "hints": parts.hint_list(environment.globals["hints_used"]),
    }
    return show(asked, "verdicts/verdict.html.j2", model=_served_as(asked, name), **view)


def _served_as(asked: Asked, name: str) -> str:
    """What the model of this run is called where it answers; empty where it does not."""
    job = job_of(asked, name)
    if job is not None:
        return job.fine_tuned_model or ""
    named = (one.name for one in asked.models() if one.run is not None and one.run.name == name)
    return next(named, "")
