"""Requests to a model as numbers, as a look, as alarms that end, and as a plan of the next version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

import whet
from tests import runs_of_methods
from tests.runs_of_methods import shared_folder
from tests.server.traces.made import HOUR, keep, project, record
from tests.web.keys import signed_in
from tests.web.studio import Studio, press_button, studio
from whet.server.jobs.children.chore_work import do_chore
from whet.server.jobs.chores import claim_chore
from whet.server.traces.feedback import NewFeedback, add_feedback
from whet.verbs.upkeep.watch import watch
from whet.web.in_use import facts
from whet.web.in_use.watched import source_of

PLANTED = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
QUESTIONS = ("I want my money back for order {n}", "The mug of order {n} came broken", "Please cancel order {n}")
ADMIN = ("infer", "train", "admin")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """desk@1 is the run "tuned", live, with requests; nano was asked nothing."""
    shared, runs = shared_folder(tmp_path_factory), tmp_path_factory.mktemp("runs")
    runs_of_methods.copy_of_run("tuned", shared, runs)
    models = whet.models(runs)
    models.register("desk", "tuned")
    models.promote("desk", 1, force=True, why="it stands in a test")
    with studio(tmp_path_factory.mktemp("studio"), runs=runs) as opened:
        fill(opened)
        yield opened


def fill(own: Studio) -> None:
    """120 requests to desk: one failed, one is planted, the last 70 ask in another language; four were spoken of."""
    database = own.service.database
    owner, made = project(database), []
    for number in range(120):
        text = (
            QUESTIONS[number % 3].format(n=number) if number < 50 else f"Wo bleibt meine Rechnung {number}, bitte sehr?"
        )
        made.append(
            record(
                f"chatcmpl-{number}",
                owner,
                ago=(120 - number) * HOUR / 10,
                client=f"client {number % 7}",
                model="desk",
                version="tuned",
                error="timeout" if number == 2 else None,
                messages=[{"role": "user", "content": PLANTED if number == 3 else text}],
                answer=PLANTED if number == 3 else "refund",
                seconds=0.2 + number / 1000,
                prompt_tokens=20,
                answer_tokens=2,
                finish_reason="length" if number == 4 else "stop",
            )
        )
    keep(database, made, texts=True)
    for number, good in ((0, True), (1, True), (4, False)):
        add_feedback(database, owner, f"chatcmpl-{number}", NewFeedback(good=good), None)
    add_feedback(database, owner, "chatcmpl-3", NewFeedback(corrected=f"not {PLANTED}", comment=PLANTED), None)


@dataclass
class Asked:
    """As much of a page's caller as numbers need."""

    service: Any
    caller: Any


def asker(own: Studio) -> Any:
    return Asked(own.service, own.service.everybody)


def test_numbers_are_those_of_the_rows(own: Studio) -> None:
    found = facts.traffic(asker(own), "desk")
    assert found is not None
    assert (found.requests, found.failed[:2], found.cut[:2], found.clients) == (120, (1, 120), (1, 120), 7)
    assert found.content is not None and found.content[:2] == (2, 4), (
        "a corrected answer is none that people found good"
    )
    assert found.seconds is not None and found.seconds[0] == pytest.approx(0.2595)
    assert found.seconds[1] <= found.seconds[0] <= found.seconds[2]
    assert sum(value or 0 for value in found.series[0].values) == 120
    assert facts.traffic(asker(own), "nano") is None


@dataclass
class Made:
    at: float
    seconds: float | None = 1.0
    error: str | None = None
    valid: bool | None = None
    answer_tokens: int | None = 5


def windows(rows: Sequence[Made]) -> dict[str, list[float | None]]:
    return {one.name: one.values for one in facts.series_of(rows)}  # type: ignore[arg-type]


def test_time_is_cut_into_equal_pieces_and_an_empty_one_says_nothing() -> None:
    rows = [Made(240.0, 3.0, "timeout"), Made(239.0, 1.0), Made(0.0, 2.0)]
    found = windows(rows)
    assert (found["requests"][0], found["requests"][-1], sum(found["requests"])) == (1, 2, 3)  # type: ignore[arg-type]
    assert found["seconds of an answer, median"][:2] == [2.0, None] and found["seconds of an answer, median"][-1] == 2.0
    assert found["failed"][-1] == 50 and "kept the form" not in found
    assert windows([Made(7.0, valid=True)])["kept the form"][0] == 100


def test_a_page_reads_as_many_requests_as_it_says_and_no_more(own: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "NEWEST", 10)
    found = facts.traffic(asker(own), "desk")
    assert found is not None and found.requests == 10
    assert facts.models(asker(own)) == [("desk", 10)]


def test_one_finds_a_request_and_says_what_it_should_have_answered(browser: Any, own: Studio) -> None:
    with own.page(browser, "/monitor") as page:
        page.get_by_role("link", name="desk", exact=True).click()
        page.get_by_text("of 7 named clients").wait_for()
        page.get_by_text("Do live prompts look like those").wait_for()
        page.get_by_label("Show").select_option("spoken")
        press_button(page, "Filter")
        assert page.locator(".requests > li").count() == 4
        page.reload()
        assert page.locator(".requests > li").count() == 4
        page.get_by_role("link", name=PLANTED[:20]).click()
        assert page.locator("main img, main script").count() == 0
        page.get_by_label("good", exact=True).check()
        page.get_by_label("What it should have said").fill("cancel_order")
        press_button(page, "Say so")
        page.get_by_text("good corrected: cancel_order").wait_for()
        page.go_back()
        page.get_by_role("heading", name="desk in use").wait_for()
        page.goto(f"{own.url}/monitor/nano")
        page.get_by_text("Nothing was asked of it yet").wait_for()


def test_an_alarm_of_the_watch_is_acknowledged_once(browser: Any, own: Studio) -> None:
    source = source_of(asker(own))
    runs = own.service.settings.runs
    assert runs is not None
    raised = watch("desk", source, served_as="desk", run_root=runs)
    assert [alarm["question"] for alarm in raised["alarms"]] == ["drift"]
    reader = signed_in(own, ["infer"])
    assert reader.post("/monitor/desk/acknowledge", data={"alarm": raised["alarms"][0]["id"]}).status_code == 403
    with own.page(browser, "/monitor/desk") as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_label("Why it may end").fill("they are ours now")
        press_button(page, "Acknowledge")
        page.get_by_text("acknowledged", exact=True).wait_for()
    assert watch("desk", source, served_as="desk", run_root=runs)["alarms"] == []
    again = signed_in(own, ADMIN).post("/monitor/desk/acknowledge", data={"alarm": raised["alarms"][0]["id"]})
    assert again.status_code == 404


def test_the_next_version_is_planned_by_a_worker_and_nothing_is_trained(own: Studio) -> None:
    admin, runs = signed_in(own, ADMIN), own.service.settings.runs
    assert runs is not None
    assert admin.post("/monitor/nano/retrain").status_code == 400
    assert admin.post("/monitor/desk/retrain").status_code == 204
    assert "Waits: this service has no workers" in admin.get("/monitor/desk").text
    assert admin.post("/monitor/desk/retrain").status_code == 409
    before = sorted(path.name for path in runs.iterdir() if (path / "run.json").is_file())
    chore = claim_chore(own.service.database, "the test")
    assert chore is not None
    do_chore(own.service.database, own.service.settings.home, chore, "the test")
    text = admin.get("/monitor/desk").text
    assert "Planned: " in text and "whet retrain desk --from" in text
    assert before == sorted(path.name for path in runs.iterdir() if (path / "run.json").is_file())
    trainer = signed_in(own, ["infer", "train"])
    assert str(runs) not in trainer.get("/monitor/desk").text
    assert trainer.post("/monitor/desk/retrain").status_code == 403


def test_another_project_sees_none_of_it(own: Studio) -> None:
    other = signed_in(own, ADMIN, "elsewhere")
    assert "desk" not in other.get("/monitor").text
    assert "Nothing was asked of it yet" in other.get("/monitor/desk").text
    assert other.get("/monitor/desk/requests/chatcmpl-1").status_code == 404
    assert other.post("/monitor/desk/requests/chatcmpl-1/feedback", data={"thumb": "up"}).status_code == 404


def test_who_may_only_ask_sees_no_requests(own: Studio) -> None:
    reader = signed_in(own, ["infer"])
    for path in (
        "/monitor",
        "/monitor/desk",
        "/monitor/desk/look",
        "/monitor/desk/watch",
        "/monitor/desk/requests/chatcmpl-1",
    ):
        assert reader.get(path).status_code == 403


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")])
def test_everybody_can_read_the_pages(browser: Any, axe: Any, own: Studio, width: int, scheme: str) -> None:
    with own.page(browser, "/monitor", width, scheme, bypass_csp=True) as page:
        for path in ("/monitor", "/monitor/desk", "/monitor/nano", "/monitor/desk/requests/chatcmpl-3"):
            page.goto(f"{own.url}{path}")
            page.locator("main progress").first.wait_for(state="detached")
            assert page.locator("main img, main script").count() == 0
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = axe.run(page)
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"
