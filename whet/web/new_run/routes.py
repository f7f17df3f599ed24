"""/new: the form, what it makes of the recipe, what that will take, and the start."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from whet.server.bases import bases_of
from whet.server.errors import ApiError
from whet.server.jobs.creation import Asker, check_body, create_job
from whet.server.jobs.estimating import ask_for_estimate
from whet.server.jobs.places import job_folder
from whet.server.jobs.request import JobBody
from whet.text.numbers import format_rough_duration
from whet.text.wording import size
from whet.web.asked import Asked, Trainer
from whet.web.data.facts import files_of
from whet.web.new_run.form import METHODS, Form, body_of, fields_of, form_of, method_of, recipe_text, told_at
from whet.web.page import PageRoute, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PLAN_SECONDS = 120.0


@router.get("/new")
def new_run(asked: Trainer) -> Response:
    """What stands in the address is filled in: a link to it is a run that somebody proposes."""
    form = form_of(asked.request.query_params)
    if not form.file:
        files, _ = files_of(asked)
        return show(asked, "new_run/choose.html.j2", files=[file for file in files if file.status != "error"])
    return show(asked, "new_run/new.html.j2", **_view(asked, form))


@router.post("/new/recipe")
async def recipe(asked: Trainer) -> Response:
    """What the form makes, as one fills it in."""
    form = form_of(_texts(await asked.request.form()))
    view = await run_in_threadpool(_view, asked, form)
    return show(asked, "new_run/made.html.j2", **view)


@router.post("/new/plan")
async def plan(asked: Trainer) -> Response:
    """What the run will take, by a worker. It reads the rows, so it is asked for apart."""
    form = form_of(_texts(await asked.request.form()))
    body = await run_in_threadpool(_checked, asked, form)
    if body is None:
        return show(asked, "new_run/plan.html.j2", plan=None, wrong="")
    service, asker = asked.service, Asker(asked.caller.project, asked.caller.key)
    try:
        told = await run_in_threadpool(ask_for_estimate, service.database, service.settings, body, asker, PLAN_SECONDS)
    except ApiError as error:
        return show(asked, "new_run/plan.html.j2", plan=None, wrong=error.message)
    words = {"duration": format_rough_duration, "size": size}
    return show(asked, "new_run/plan.html.j2", plan=told, wrong="", **words)


@router.post("/new")
async def start(asked: Trainer) -> Response:
    form = form_of(_texts(await asked.request.form()))
    body = await run_in_threadpool(_checked, asked, form)
    if body is None:
        raise ApiError(400, next(iter(form.wrong.values())), code="invalid_value")
    job = await run_in_threadpool(_create, asked, body)
    return Response(status_code=204, headers={"hx-redirect": f"/runs/{job}"})


def _create(asked: Asked, body: JobBody) -> str:
    service = asked.service
    with service.database.write() as connection:
        asker = Asker(asked.caller.project, asked.caller.key)
        return create_job(connection, body, service.settings, asker, service.database.now(connection)).id


def _checked(asked: Asked, form: Form) -> JobBody | None:
    """The body, where the service would take it; else None, and the form says what is wrong."""
    body = body_of(asked, form)
    if body is None:
        return None
    service = asked.service
    asker, folder = Asker(asked.caller.project, asked.caller.key), job_folder(service.settings.home, "asked")
    try:
        with service.database.read() as connection:
            check_body(connection, body, service.settings, asker, folder, service.database.now(connection))
    except ApiError as error:
        told_at(form, error)
        return None
    return body


def _view(asked: Asked, form: Form) -> dict[str, Any]:
    bases = list(bases_of(asked.service.settings))
    form.base = form.base or bases[0]
    file, kind = asked.file(form.file), method_of(asked, form.file)
    body = _checked(asked, form)
    return {
        "form": form,
        "file": file,
        "bases": bases,
        "method": METHODS[kind],
        "fields": fields_of(form),
        "recipe": recipe_text(asked, body) if body else "",
    }


def _texts(given: Any) -> dict[str, str]:
    return {key: value for key, value in given.items() if isinstance(value, str)}
