"""Pages from templates: every value is escaped, and what goes wrong is told as a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from whet.errors import HIDDEN, WhetError
from whet.reports.chart import short_number
from whet.server.errors import ApiError, of_whet
from whet.web.asked import Asked, asked_for

HERE = Path(__file__).parent
REPORTS = HERE.parent / "reports"
STATIC = HERE / "static"
STYLES = (REPORTS / "report.css", REPORTS / "report_sheet.css", REPORTS / "compare.css", HERE / "studio.css")
"""One file for the browser: pages look as reports do, and show their parts."""
PAGES = (("/", "Home"), ("/data", "Data"), ("/new", "New run"), ("/runs", "Runs"), ("/play", "Playground"),
         ("/label", "Label"), ("/models", "Models"), ("/monitor", "Monitor"))  # fmt: skip
"""In the order in which somebody needs them first."""


def show(
    asked: Asked, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **view: Any
) -> HTMLResponse:
    """A page, or a part of one."""
    return HTMLResponse(render(asked, template, **view), status, headers)


def render(asked: Asked, template: str, **view: Any) -> Markup:
    """The HTML of a template below whet/web."""
    here = "/" + asked.request.url.path.split("/")[1]
    frame = {"asked": asked, "pages": PAGES, "here": here, "static": static_url}
    return Markup(HIDDEN.sub("\ufffd", _environment().get_template(template).render(frame | view)))


@cache
def _environment() -> Environment:
    """Of all pages: a template is compiled once, and parts that move are drawn every second."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"brief": short_number, "thousands": lambda value: f"{value:,}"}
    return environment


@cache
def static_content(name: str) -> bytes | None:
    """None for what is no file of the studio."""
    if name == "studio.css":
        return b"\n".join(path.read_bytes() for path in STYLES)
    path = STATIC / name
    return path.read_bytes() if path.parent == STATIC and path.is_file() else None


@cache
def static_url(name: str) -> str:
    """With its content's hash, so that a browser may keep it for ever."""
    content = static_content(name)
    assert content is not None, f"there is no file {name} in {STATIC}"
    return f"/static/{sha256(content).hexdigest()[:16]}/{name}"


class PageRoute(APIRoute):
    """What goes wrong is told as a page; to a script, as a part for the place of messages."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handler(request)
            except ApiError as error:
                return _told(request, error)
            except WhetError as error:
                return _told(request, of_whet(error))
            except RequestValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"][1:])
                return _told(request, ApiError(400, f"{where}: {first['msg']}.", code="invalid_value", param=where))

        return handled


def _told(request: Request, error: ApiError) -> Response:
    asked = asked_for(None)(request)
    if asked.by_script:
        headers = {"hx-retarget": "#told", "hx-reswap": "innerHTML"}
        return show(asked, "templates/told.html.j2", status=error.status, headers=headers, error=error)
    return show(asked, "templates/error.html.j2", status=error.status, error=error)
