"""The pages as a reader meets them: in a browser, light and dark, on a wide screen and on a telephone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.reports.made_up_classes import write_classes_run
from tests.reports.made_up_comparison import write as write_comparison
from tests.reports.made_up_run import write_run
from tests.reports.sections.test_preferences import with_pairs_and_goal
from whet.reports.report import write_report
from whet.store.run import Run

WIDTHS = {1280: 900, 390: 844}
"""Width and height of the windows, in pixels."""
NARROWEST = 40
"""Pixels below which text that needs more than a line is a letter a line."""
NARROW = """least => [...document.querySelectorAll('th, td, .parts > *, .sides > *, .tiles > *, .others > * > *')]
  .filter(one => { const text = document.createRange(), box = one.getBoundingClientRect();
                   text.selectNodeContents(one);
                   const lines = new Set([...text.getClientRects()].map(line => Math.round(line.bottom / 8)));
                   return box.width > 1 && box.width < least && lines.size > 1 })
  .map(one => one.outerHTML.slice(0, 120))"""
OUTSIDE = """[...document.querySelectorAll('th, td')].map(one => [one.getBoundingClientRect(), one])
  .filter(([box]) => box.width > 1 && (box.right > innerWidth || box.left < 0))
  .map(([box, one]) => one.outerHTML.slice(0, 120))"""
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
DEAD = """[...document.querySelectorAll('a[href], [popovertarget], [aria-labelledby]')]
  .map(one => one.getAttribute('popovertarget') || one.getAttribute('aria-labelledby')
              || one.getAttribute('href').slice(1))
  .filter(name => !document.getElementById(name))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        "report of json": write_report(Run(with_pairs_and_goal(write_run(folder / "json", rows=60, steps=60)))),
        "report of classes": write_report(Run(write_classes_run(folder / "classes"))),
        "comparison": write_comparison(folder / "compare", 60),
    }


def visit(browser: Any, path: Path, width: int, scheme: str, asked: list[str]) -> Any:
    """A page as it is after loading; `asked` gets every address that it asked for. The content security policy is
    lifted, because axe is a script: the plain tests hold it."""
    context = browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report of json", "report of classes", "comparison"])
def test_a_page_reads_well(browser: Any, axe: Any, pages: dict[str, Path], name: str, scheme: str, width: int) -> None:
    asked: list[str] = []
    page = visit(browser, pages[name], width, scheme, asked)
    try:
        page.evaluate(OPEN_ALL)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls to the side"
        assert page.evaluate(NARROW, NARROWEST) == []
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(DEAD) == []
        found = axe.run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    finally:
        page.context.close()


@pytest.mark.parametrize("name", ["report of json", "report of classes"])
def test_the_answer_fits_on_the_first_screen(browser: Any, pages: dict[str, Path], name: str) -> None:
    page = visit(browser, pages[name], 1280, "light", [])
    box = page.locator("#answer").bounding_box()
    assert box["y"] + box["height"] <= WIDTHS[1280]
    page.context.close()


def test_a_hint_opens_by_keyboard_alone(browser: Any, pages: dict[str, Path]) -> None:
    page = visit(browser, pages["report of json"], 390, "light", [])
    term = page.locator(".term").first
    term.focus()
    hint = page.locator(f"#{term.get_attribute('popovertarget')}")
    assert not hint.is_visible()
    page.keyboard.press("Enter")
    assert hint.is_visible()
    box = hint.bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    assert not hint.is_visible()
    page.context.close()


def test_the_tables_are_cards_on_a_telephone_and_tables_on_a_wide_screen(browser: Any, pages: dict[str, Path]) -> None:
    for width, cards in ((1280, False), (390, True)):
        page = visit(browser, pages["comparison"], width, "light", [])
        head, cell = (page.locator(f".arms tbody tr:first-child > {tag}").first for tag in ("th", "td"))
        assert (cell.bounding_box()["y"] > head.bounding_box()["y"] + 5) == cards
        assert "17.7%" in page.locator(".arms").inner_text() or "%" in cell.inner_text()
        page.context.close()
