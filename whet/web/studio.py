"""The studio is put on the service's application: its pages, its files, its gate."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Response

from whet.server.errors import not_found
from whet.server.running import is_loopback
from whet.server.service import Service
from whet.web import signing_in
from whet.web.comparing import routes as comparing
from whet.web.data import routes as data
from whet.web.gate import StudioGate, first_part
from whet.web.home import routes as home
from whet.web.in_use import routes as monitor
from whet.web.label import routes as label
from whet.web.naming import routes as models
from whet.web.new_run import routes as new_run
from whet.web.page import PageRoute, static_content
from whet.web.play import routes as play
from whet.web.run_pages import routes as runs
from whet.web.sessions import Sessions
from whet.web.verdicts import routes as verdicts

ROOMS = (signing_in, home, data, new_run, runs, verdicts, comparing, play, label, models, monitor)
files = APIRouter(route_class=PageRoute, include_in_schema=False)
TYPES = {"css": "text/css", "js": "text/javascript"}
KEPT = {"cache-control": "public, max-age=31536000, immutable"}


def add_studio(app: FastAPI) -> Sessions:
    """On an application of create_app, before it starts."""
    service: Service = app.state.service
    settings = service.settings
    app.state.sessions = sessions = Sessions(settings.home)
    routers = (files, *(room.router for room in ROOMS))
    for router in routers:
        app.include_router(router)
    app.add_middleware(
        StudioGate,
        pages=sorted({first_part(route.path) for router in routers for route in router.routes}),  # type: ignore[attr-defined]
        sessions=sessions,
        keys=service.keys,
        here=service.everybody,
        open_to_all=not settings.auth,
        on_loopback=is_loopback(settings.host),
    )
    return sessions


@files.get("/static/{version}/{name}")
def static_file(version: str, name: str) -> Response:
    """`version` is the hash of what is in it: it changes with the file, so that a browser may keep what it has."""
    content = static_content(name)
    if content is None:
        raise not_found("file", name)
    return Response(content, media_type=TYPES.get(name.rpartition(".")[2], "text/plain"), headers=KEPT)
