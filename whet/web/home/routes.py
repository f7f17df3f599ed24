"""/: the first page, and its part that moves."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from whet.web.asked import Anybody, Asked
from whet.web.home.facts import latest, live, work
from whet.web.live import follow
from whet.web.page import PageRoute, render, show
from whet.web.run_pages.facts import score_of, titles

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
def home(asked: Anybody) -> Response:
    return show(asked, "home/home.html.j2", **_view(asked))


@router.get("/home/live")
def home_live(asked: Anybody) -> Response:
    """Also of jobs that are to come: it never ends by itself."""
    return follow(asked, lambda: (render(asked, "home/now.html.j2", **_view(asked)), False))


def _view(asked: Asked) -> dict[str, Any]:
    runs = latest(asked)
    named = titles(asked, [run.name for run in runs])
    return {"work": work(asked), "live": live(asked), "latest": runs, "score_of": score_of, "titles": named}
