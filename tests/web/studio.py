"""A studio in a thread of the test, and its pages as somebody sees them in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import whet
from tests.runs_of_methods import copy_of_run, shared_folder
from tests.server.serving import in_a_thread
from whet.server.application import create_app
from whet.server.service import Service
from whet.server.settings import Settings
from whet.web.sessions import Sessions
from whet.web.studio import add_studio

HEIGHTS = {1280: 900, 390: 844}
"""Of the windows, by their widths, in pixels."""


@dataclass
class Studio:
    service: Service
    sessions: Sessions
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def entry(self) -> str:
        """The link that `whet studio` prints."""
        return f"{self.url}/login?entry={self.sessions.entry}"

    @contextmanager
    def page(
        self, browser: Any, path: str = "/", width: int = 1280, scheme: str = "light", **context: Any
    ) -> Iterator[Any]:
        """A page of somebody who is signed in. Errors of scripts, and requests to any other address, fail the test."""
        opened = browser.new_context(
            viewport={"width": width, "height": HEIGHTS[width]}, color_scheme=scheme, **context
        )
        wrong: list[str] = []
        opened.route(lambda url: not url.startswith((self.url, "data:", "blob:")), lambda route: _refuse(route, wrong))
        page = opened.new_page()
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("console", lambda said: wrong.append(f"console: {said.text}") if _is_error(said) else None)
        try:
            page.goto(f"{self.entry}&next={path}")
            yield page
            assert wrong == []
        finally:
            opened.close()


def press_button(page: Any, name: str) -> None:
    """Once the page's scripts are there: before, nobody hears of it."""
    page.wait_for_load_state("load")
    page.get_by_role("button", name=name).click()


def _is_error(said: Any) -> bool:
    """What a request was refused for stands on the page; the browser says that it was, too."""
    return said.type == "error" and "the server responded with a status of 4" not in said.text


def _refuse(route: Any, wrong: list[str]) -> None:
    wrong.append(f"another address: {route.request.url}")
    route.abort()


def runs_with_desk(factory: pytest.TempPathFactory, run: str, why: str) -> Path:
    """A folder of its own with the runs "tuned" (which has a verdict) and "sft"; desk@1 is `run`, live by force."""
    shared, runs = shared_folder(factory), factory.mktemp("runs")
    for kind in ("tuned", "sft"):
        copy_of_run(kind, shared, runs)
    models = whet.models(runs)
    models.register("desk", run)
    models.promote("desk", 1, force=True, why=why)
    return runs


@contextmanager
def studio(home: Path, **settings: Any) -> Iterator[Studio]:
    """As `whet studio` makes it; without workers, unless the test says otherwise."""
    app = create_app(Settings(home, **{"workers": 0, "traces": "content", **settings}), api=False)
    sessions = add_studio(app)
    with in_a_thread(app) as port:
        yield Studio(app.state.service, sessions, port)
