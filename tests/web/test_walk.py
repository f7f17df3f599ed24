"""From an empty studio to a tuned model that answers, as somebody does it who has read nothing."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

from tests.runs_of_methods import KINDS, copy_of_run, messages_of, shared_folder, write_conversations
from tests.web.studio import Studio, press_button, studio
from tests.web.test_gate import client, token_of
from whet.server.database.tables import jobs
from whet.server.database.tuned_models import add_model
from whet.server.jobs.places import run_root

LONG = 240_000
"""Milliseconds that a worker may take on a machine that does much else."""
BRIEF = "keep: false\nsteps: 30\nevaluate:\n  forgetting: false\n  against: [base, constant]\n"


def test_from_a_dropped_file_to_a_model_that_answers(browser: Any, tmp_path: Path) -> None:
    file, runs = write_conversations(tmp_path / "intents.jsonl", messages_of(KINDS, 150)), tmp_path / "runs"
    runs.mkdir()
    with studio(tmp_path / "home", runs=runs, workers=1) as opened, opened.page(browser) as page:
        page.set_default_timeout(LONG)
        clicks = 0

        def click(what: Any) -> None:
            nonlocal clicks
            clicks += 1
            page.wait_for_load_state("load")
            what.click()

        click(page.get_by_role("link", name="Bring your data"))
        clicks += 1  # to choose the file
        page.set_input_files("#file", str(file))
        page.get_by_text("hold personal data").first.wait_for()
        click(page.get_by_role("link", name="Tune on this"))
        page.get_by_text("at most").first.wait_for()
        page.locator("#more").evaluate("(place, text) => place.value = text", BRIEF)  # for the test's sake alone
        click(page.get_by_role("button", name="Start"))
        page.locator("canvas").first.wait_for()
        job = page.url.rsplit("/", 1)[1]

        click(page.get_by_role("link", name="The verdict"))
        assert "Better" in page.locator("main").inner_text()
        click(page.get_by_role("link", name="Try it"))
        page.fill("#prompt", "My parcel came broken, the mug is in pieces.")
        click(page.get_by_role("button", name="Ask"))
        page.get_by_role("button", name="Good").first.wait_for()
        assert page.locator(".answer .words").last.inner_text() == "damaged_item"
        assert clicks <= 8

        _say_it_is_good(page)
        _give_it_a_name(page, opened, job)
        _see_it_in_use(page, opened)


def _say_it_is_good(page: Any) -> None:
    page.get_by_role("button", name="Good").first.click()
    page.get_by_text("Kept: good.").wait_for()


def _give_it_a_name(page: Any, opened: Studio, job: str) -> None:
    page.goto(f"{opened.url}/runs/{job}/verdict")
    page.get_by_role("link", name="Give it a name").click()
    page.fill("#name", "desk")
    press_button(page, "Make it a version")
    page.wait_for_url("**/models/desk*")
    page.get_by_text("whet export").first.wait_for()  # it says what is missing: no release of it was proved
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_text("Make it live all the same").click()
    page.fill("#why", "the first of its kind")
    press_button(page, "Make version 1 live by force")
    page.get_by_text("forced").first.wait_for()


def _see_it_in_use(page: Any, opened: Studio) -> None:
    page.goto(f"{opened.url}/runs")
    assert page.locator("tbody tr").count() == 1  # the run of the job, and what it was named from, are one
    page.goto(f"{opened.url}/play?models=desk&prompt=I+want+my+money+back")
    press_button(page, "Ask")
    page.get_by_role("button", name="Good").first.wait_for()
    page.goto(f"{opened.url}/monitor/desk")
    page.get_by_text("I want my money back").wait_for()


def test_a_run_that_is_removed_leaves_no_model_that_cannot_answer(tmp_path: Path, tmp_path_factory: Any) -> None:
    shared = shared_folder(tmp_path_factory)
    with studio(tmp_path / "home", runs=tmp_path / "runs") as opened:
        caller, database = opened.service.everybody, opened.service.database
        root = run_root(opened.service.settings.home, caller.project)
        copytree(copy_of_run("tuned", shared, tmp_path / "made"), root / "ftjob-made")
        known = client(opened)
        sent = {"file": ("a.jsonl", '{"prompt": "a", "completion": "b"}\n')}
        headers = {"x-csrf-token": token_of(known)}
        place = known.post("/data", files=sent, data={"purpose": "fine-tune"}, headers=headers).headers["hx-redirect"]
        with database.write() as connection:
            values = {"request": {}, "body_sha256": "", "model": "nano", "state": "succeeded", "seed": 1}
            values |= {"hyperparameters": {}, "created_at": 1.0, "training_file": place.rpartition("/")[2]}
            made = {"id": "ftjob-made", "project": caller.project, "fine_tuned_model": "ft:nano:default:x:made"}
            connection.execute(jobs.insert().values(**values, **made))
            add_model(connection, "ft:nano:default:x:made", caller.project, "nano", root / "ftjob-made", 1.0)
        assert "ft:nano:default:x:made" in known.get("/models").text
        assert "nano on a.jsonl" in known.get("/runs").text
        assert known.delete("/runs/ftjob-made", headers=headers).status_code == 204
        assert "ft:nano:default:x:made" not in known.get("/models").text
        assert not (root / "ftjob-made").exists()
