"""The first page: what is live, what runs, what came of it."""

from __future__ import annotations

from typing import Any

from tests.web.studio import Studio


def test_it_shows_what_is_live_and_the_latest_runs(browser: Any, looked_at: Studio) -> None:
    with looked_at.page(browser) as page:
        assert page.title() == "Home · Whet"
        assert page.get_by_role("link", name="desk").is_visible()
        assert (
            page.locator("section", has=page.get_by_role("heading", name="Latest runs")).get_by_role("listitem").count()
            == 2
        )
        page.screenshot(path="/tmp/home.png", full_page=True)


def test_without_the_link_nobody_is_let_in(browser: Any, looked_at: Studio) -> None:
    opened = browser.new_context()
    page = opened.new_page()
    page.goto(f"{looked_at.url}/?x=1")
    assert page.url == f"{looked_at.url}/login?next=%2F%3Fx%3D1"
    opened.close()
