"""Two people label in two browsers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.traces.made import keep, record
from tests.web.studio import Studio, press_button, studio
from whet.server.traces.reading import TraceFilter, read_traces

EVIL = '<script>document.title="taken"</script>"><img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Twelve prompts that nano and another model answered, each with a script in it."""
    with studio(tmp_path_factory.mktemp("label")) as opened:
        owner = opened.service.everybody.project
        given = [("nano", f"{EVIL} one {n}", n) for n in range(12)] + [
            ("desk", f"{EVIL} two {n}", n) for n in range(12)
        ]
        texts = [
            record(f"{model}-{n}", owner, ago=100.0 - n, model=model, answer=answer,
                   messages=[{"role": "user", "content": f"{EVIL} asked {n}"}])
            for model, answer, n in given
        ]  # fmt: skip
        keep(opened.service.database, texts, texts=True)
        yield opened


def said(opened: Studio) -> dict[str, list[str | None]]:
    found = read_traces(opened.service.database, TraceFilter(opened.service.everybody.project))
    return {trace.id: [one.by for one in trace.feedback] for trace in found if trace.feedback}


def press(page: Any, key: str) -> None:
    page.wait_for_load_state("load")  # keys are heard once the scripts are there, and nothing is under way
    settle(page)
    with page.expect_response(lambda answer: "/label/" in answer.url):
        page.keyboard.press(key)
    settle(page)


def settle(page: Any) -> None:
    for busy in (".htmx-request", "textarea:focus"):
        page.locator(busy).first.wait_for(state="detached")


def test_two_people_at_once_and_an_undo(browser: Any, labelled: Studio) -> None:
    there = "/label%3Fmodel=nano%26kind=answers%26who="
    with labelled.page(browser, there + "anna") as anna, labelled.page(browser, there + "ben", 390) as ben:
        item = "input[name=item]"
        first = anna.locator(item).first.input_value()
        assert anna.title() == "Label · Whet" and first != ben.locator(item).first.input_value()
        anna.reload()
        assert anna.locator(item).first.input_value() == first
        press(anna, "1")
        assert said(labelled) == {first: ["anna"]}
        press(anna, "u")
        assert said(labelled) == {} and anna.locator(item).first.input_value() == first
        anna.keyboard.press("c")
        anna.fill("#corrected", "It should say this.")
        with anna.expect_response("**/label/judge"):
            anna.get_by_role("button", name="Keep the correction").click()
        for _ in range(12):
            for page in (anna, ben):
                if page.locator(item).count():
                    press(page, "2")
        told = said(labelled)
        shared = [name for name, people in told.items() if sorted(map(str, people)) == ["anna", "ben"]]
        assert len(told) == 12 and all(len(people) == 1 for name, people in told.items() if name not in shared)
        assert len(shared) < 6
        assert ben.get_by_text("There is nothing left for you here").is_visible()
        assert ben.evaluate("document.documentElement.scrollWidth <= 390")


def test_pairs_become_a_file_that_can_be_learned_from(browser: Any, labelled: Studio) -> None:
    with labelled.page(browser, "/label") as page:
        page.get_by_label("Compare two answers").check()
        page.get_by_label("Your name").fill("anna")
        press_button(page, "Begin")
        shown = page.locator("#judging").inner_text()
        assert EVIL in shown and "nano" not in shown and "desk" not in shown
        press(page, "1")
        press(page, "t")
        page.get_by_text("1 pairs with a choice").wait_for()
        press_button(page, "Make a file of them")
        page.wait_for_url("**/data/file-*")
        name = page.url.rpartition("/")[2]
    content = Path(labelled.service.contents.path(name)).read_text()
    assert content.count("\n") == 1 and '"chosen"' in content


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(browser: Any, axe: Any, labelled: Studio, scheme: str) -> None:
    with labelled.page(browser, "/label", 1280, scheme, bypass_csp=True) as page:
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            for path in ("/label", "/label?model=nano&kind=pairs&who=zoe", "/label?model=desk&kind=answers&who=zoe"):
                page.goto(labelled.url + path)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
                assert found.violations_count == 0, found.generate_report()
