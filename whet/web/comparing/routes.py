"""/compare?run=A&run=B: runs beside each other."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from whet.web.asked import Anybody
from whet.web.comparing import facts
from whet.web.page import PageRoute, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Names = Annotated[list[str], Query(max_length=200)]


@router.get("/compare")
def compare(asked: Anybody, run: Names = []) -> Response:  # noqa: B006, FastAPI copies it
    runs = facts.runs_of(asked, run)
    keys, compared, more = facts.compared(runs)
    curves = "/compare/curves?" + urlencode([("run", one.name) for one in runs])
    return show(asked, "comparing/compare.html.j2", keys=keys, runs=compared, more=more, curves=curves)


@router.get("/compare/curves")
def curves(asked: Anybody, run: Names = []) -> Response:  # noqa: B006
    return JSONResponse(facts.losses(facts.runs_of(asked, run)))
