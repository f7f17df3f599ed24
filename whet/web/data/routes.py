"""/data: files, what was found in one, and its rows as the model sees them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from whet.server.bases import bases_of
from whet.server.errors import ApiError
from whet.server.routes import files as api
from whet.web.asked import Asked, Trainer
from whet.web.data import facts
from whet.web.live import follow
from whet.web.page import PageRoute, render, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/data")
def list_files(asked: Trainer) -> Response:
    found, more = facts.files_of(asked)
    return show(asked, "data/files.html.j2", files=found, more=more)


@router.post("/data")
async def upload(asked: Trainer) -> Response:
    """As the API takes it: to disk piece by piece, bounded, then looked at by a worker."""
    made = await api.create_file(asked.request, asked.caller)
    return Response(status_code=204, headers={"hx-redirect": f"/data/{made['id']}"})


@router.get("/data/{name}")
def file_page(asked: Trainer, name: str) -> Response:
    return show(asked, "data/file.html.j2", **_view(asked, name))


@router.get("/data/{name}/live")
def file_live(asked: Trainer, name: str) -> Response:
    """Until the doctor has looked at it."""

    def look() -> tuple[str, bool]:
        view = _view(asked, name)
        return render(asked, "data/found.html.j2", **view), not view["looked_at"]

    return follow(asked, look)


@router.get("/data/{name}/line/{number}")
def line(asked: Trainer, name: str, number: int) -> Response:
    """A line as it stands in the file."""
    file = asked.file(name)
    text = facts.line_of(asked, file, number) if number > 0 else None
    if text is None:
        raise ApiError(404, f"{file.filename} has no line {number}.", code="line_not_found", param="number")
    return show(asked, "data/line.html.j2", file=file, number=number, text=text)


@router.get("/data/{name}/rows")
async def rows(asked: Trainer, name: str, base: str = "", page: Annotated[int, Query(ge=1, le=40)] = 1) -> Response:
    """The frame at once; the rows are asked for by it, because the file is read for them."""
    file, bases = await run_in_threadpool(asked.file, name), list(bases_of(asked.service.settings))
    view = {"file": file, "bases": bases, "base": base if base in bases else bases[0], "page": page}
    if not asked.by_script:
        return show(asked, "data/rows.html.j2", **view)
    found, wrong = await run_in_threadpool(facts.rows_as_seen, asked, file, view["base"], page)
    return show(asked, "data/seen_rows.html.j2", rows=found, wrong=wrong, a_page=facts.A_PAGE, **view)


@router.delete("/data/{name}")
def remove(asked: Trainer, name: str) -> Response:
    api.remove_file(asked.request, asked.caller, name)
    return Response(status_code=204, headers={"hx-redirect": "/data"})


def _view(asked: Asked, name: str) -> dict[str, Any]:
    file = asked.file(name)
    return {"file": file, "found": facts.findings(file), "looked_at": facts.is_being_looked_at(file)}
