"""Somebody who signed in with a key, without a browser."""

from __future__ import annotations

from collections.abc import Sequence

import httpx2 as httpx

from tests.web.studio import Studio


def signed_in(studio: Studio, scopes: Sequence[str], project: str = "default") -> httpx.Client:
    """A client that sends what the studio's pages send when they change something."""
    _, secret = studio.service.keys.create("a test", project, scopes)
    opened = httpx.Client(base_url=studio.url, follow_redirects=False, timeout=60)
    assert opened.post("/login", data={"key": secret}).status_code == 303
    page = opened.get("/models").text
    opened.headers["x-csrf-token"] = page.partition('"X-CSRF-Token": "')[2].partition('"')[0]
    return opened
