"""A run gets a name, is released, promoted, tried beside another one and rolled back; all of it on its page."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import whet
from tests.server.traces.made import project, record
from tests.web.keys import signed_in
from tests.web.studio import Studio, press_button, runs_with_desk, studio
from whet.server.database.opening import Database
from whet.server.database.tables import audit
from whet.server.jobs.children.chore_work import do_chore
from whet.server.jobs.chores import Chore, claim_chore
from whet.server.traces.keeping import insert_traces
from whet.store.model_registry import find_model

PLANTED = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
"""What a reason for force may say."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """desk@1 is the run "sft", live by force; "tuned" has no name yet."""
    runs = runs_with_desk(tmp_path_factory, "sft", PLANTED)
    with studio(tmp_path_factory.mktemp("studio"), runs=runs) as opened:
        yield opened


def runs_of(own: Studio) -> Path:
    assert own.service.settings.runs is not None
    return own.service.settings.runs


def yes(page: Any) -> list[str]:
    """Answers every question with yes; what was asked is collected."""
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    return asked


def work_off(own: Studio) -> None:
    """As a worker does it."""
    database = own.service.database
    while (chore := claim_chore(database, "the test")) is not None:
        do_chore(database, own.service.settings.home, chore, "the test")


def test_a_run_becomes_a_version_is_released_and_promoted_and_rolled_back(browser: Any, own: Studio) -> None:
    with own.page(browser, "/models?run=tuned") as page:
        asked = yes(page)
        page.get_by_label("Name", exact=True).fill("desk")
        press_button(page, "Make it a version")
        page.wait_for_url("**/models/desk?version=2")
        page.get_by_text("no release of it was proved").wait_for()

        page.get_by_label("Release it as").select_option("adapter")
        press_button(page, "Write and prove it")
        page.get_by_text("waits: this service has no workers").wait_for()
        work_off(own)
        page.get_by_role("link", name="look at its proof").click()
        page.get_by_text("it can be made live").wait_for()

        press_button(page, "Make version 2 live")
        page.get_by_text("Version 2 answers whoever asks for desk.").wait_for()
        page.reload()
        press_button(page, "Roll back to version 1")
        page.get_by_text("Version 1 answers whoever asks for desk.").wait_for()
        assert "version 2 of desk live, in the place of version 1" in asked[0]
        assert "version 1 of desk live again" in asked[1]
        page.go_back()
        page.get_by_role("heading", name="desk", exact=True).wait_for()

    model = find_model("desk", runs_of(own))
    assert model.current == 1 and model.version(2).promotion is not None and not model.version(2).promotion.forced
    with own.service.database.read() as connection:
        acts = [row.act for row in connection.execute(audit.select().order_by(audit.c.number))]
    assert acts[-4:] == ["model.registered", "model.exported", "model.promoted", "model.rolled_back"]


def test_without_proof_only_force_with_a_reason_makes_a_version_live(own: Studio) -> None:
    whet.models(runs_of(own)).register("plain", "sft")
    admin = signed_in(own, ["infer", "train", "admin"])
    refused = admin.post("/models/plain/promote", data={"version": "1"})
    assert refused.status_code == 400
    assert "it was not measured" in refused.text
    assert find_model("plain", runs_of(own)).current is None
    assert admin.post("/models/plain/promote", data={"version": "1", "how": "forced", "why": " "}).status_code >= 400
    assert find_model("plain", runs_of(own)).current is None
    assert (
        admin.post("/models/plain/promote", data={"version": "1", "how": "forced", "why": "a try"}).status_code == 204
    )
    assert find_model("plain", runs_of(own)).current == 1


def test_a_canary_begins_grows_shows_what_was_seen_and_ends(browser: Any, own: Studio) -> None:
    _ensure_second(own)
    with own.page(browser, "/models/desk?version=2") as page:
        yes(page)
        page.get_by_label("with", exact=True).fill("25")
        press_button(page, "Begin")
        page.get_by_role("heading", name="Beside it: version 2").wait_for()
        trial = find_model("desk", runs_of(own)).trial
        assert trial is not None and (trial.kind, trial.share) == ("canary", 0.25)
        _keep_tried(own.service.database, trial.id)

        page.reload()
        row = page.get_by_role("row", name=re.compile("desk@2"))
        row.wait_for()
        assert [cell.strip() for cell in row.get_by_role("cell").all_inner_texts()][:3] == ["3", "3", "1"]
        page.goto(f"{own.url}/models/desk?version=2")
        page.get_by_label("with", exact=True).fill("50")
        press_button(page, "Change its share")
        page.get_by_text("50% of the clients").first.wait_for()
        press_button(page, "End it")
        page.get_by_role("heading", name="Beside it: version 2").wait_for(state="detached")
    assert find_model("desk", runs_of(own)).trial is None


def _ensure_second(own: Studio) -> None:
    """So that each test can be run alone."""
    models = whet.models(runs_of(own))
    if len(find_model("desk", runs_of(own)).versions) < 2:
        models.register("desk", "tuned")


def _keep_tried(database: Database, trial: str) -> None:
    """Three requests to the new version, of which one failed, and two to the live one."""
    owner, rows = project(database), []
    for number, (side, error) in enumerate(
        (("new", None), ("new", None), ("new", "timeout"), ("live", None), ("live", None))
    ):
        made = record(f"chatcmpl-tried{number}", owner, client=f"client {number}", model="desk", error=error)
        rows.append(made.row(False, 1_800_000_000.0) | {"trial": trial, "side": side})
    with database.write() as connection:
        insert_traces(connection, rows)


def test_who_may_only_ask_sees_and_changes_nothing(own: Studio) -> None:
    _ensure_second(own)
    reader = signed_in(own, ["infer"])
    for path in ("promote", "rollback", "beside", "beside/end", "releases"):
        given = {"version": "2", "how": "forced", "why": "x", "to": "adapter"}
        assert reader.post(f"/models/desk/{path}", data=given).status_code == 403
    assert reader.post("/models", data={"run": "tuned", "name": "mine"}).status_code == 403
    assert reader.get("/models/desk/beside").status_code == 403
    assert reader.get("/models/desk/releases/adapter?version=2").status_code == 403
    place = str(runs_of(own).parent)
    for path in ("/models/desk?version=2&against=1", "/models/desk/standing?version=2", "/models/desk/card"):
        text = reader.get(path).text
        assert place not in text and 'data-hx-post="/models' not in text and "/run-of-" not in text
    admin = signed_in(own, ["infer", "admin"])
    assert "/run-of-" in admin.get("/models/desk?version=2&against=1").text


def test_what_is_not_there_is_said_and_leads_nowhere(own: Studio) -> None:
    admin = signed_in(own, ["infer", "train", "admin"])
    assert admin.get("/models/nothing").status_code == 404
    assert admin.get("/models/desk?version=99").status_code == 404
    assert admin.get("/models/..%2f..%2fetc").status_code == 404
    for folder in ("nothing", "..%2f..", "tuned", "refused"):
        assert admin.get(f"/models/desk/releases/{folder}?version=2").status_code == 404
    wrong = admin.post("/models/desk/releases", data={"version": "1", "to": "../../x"})
    assert wrong.status_code == 400 and "The forms are: adapter" in wrong.text


def test_a_release_is_asked_for_once_and_its_failure_is_told(own: Studio) -> None:
    admin, database = signed_in(own, ["infer", "train", "admin"]), own.service.database
    asked = {"version": "1", "to": "ollama"}
    assert admin.post("/models/desk/releases", data=asked).status_code == 204
    assert admin.post("/models/desk/releases", data=asked).status_code == 409
    chore = claim_chore(database, "the test")
    assert chore is not None
    gone = Chore(chore.id, chore.project, chore.kind, {**chore.subject, "run": "nowhere"})
    do_chore(database, own.service.settings.home, gone, "the test")
    assert "nowhere" in admin.get("/models/desk?version=1").text
    assert admin.post("/models/desk/releases", data=asked).status_code == 204
    claim_chore(database, "the test")  # it is not written: that takes as long as a release


def test_a_release_is_given_as_one_archive(own: Studio) -> None:
    _ensure_second(own)
    admin = signed_in(own, ["infer", "train", "admin"])
    if "adapter" not in [path.name for path in (runs_of(own) / "tuned" / "release").glob("adapter")]:
        admin.post("/models/desk/releases", data={"version": "2", "to": "adapter"})
        work_off(own)
    answer = admin.get("/models/desk/releases/adapter?version=2")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert "adapter/release.json" in names and "adapter/adapter_model.safetensors" in names


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")])
def test_everybody_can_read_the_pages(browser: Any, axe: Any, own: Studio, width: int, scheme: str) -> None:
    _ensure_second(own)
    with own.page(browser, "/models?run=tuned", width, scheme, bypass_csp=True) as page:
        for path in (
            "/models?run=tuned",
            "/models/desk?version=2&against=1",
            "/models/desk?version=1",
            "/models/desk/card",
        ):
            page.goto(f"{own.url}{path}")
            page.locator("progress").first.wait_for(state="detached")
            assert page.locator("main img, main script").count() == 0
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = axe.run(page)
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"
    assert PLANTED in whet.models(runs_of(own))[0].versions[0].promotion.why
