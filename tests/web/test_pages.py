"""Every page in a browser: read by axe in both themes, on a wide screen and on a telephone, and with scripts planted in
all that it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from tests.web.studio import Studio, runs_with_desk, studio
from tests.web.test_gate import client, token_of
from whet.server.database.tables import files
from whet.server.traces.feedback import NewFeedback, add_feedback

PLANTED = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'"
PAGES = (
    "/", "/data", "/data/FILE", "/data/FILE/line/1", "/new", "/new?file=FILE", "/runs", "/runs/tuned",
    "/runs/tuned/verdict", "/compare?run=tuned&run=sft", "/play", "/label", "/models", "/models?run=tuned",
    "/models/desk", "/monitor", "/monitor/nano", "/login", "/runs/nothing",
)  # fmt: skip
NARROWEST = 390
TO_THE_SIDE = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio whose every text was sent by somebody who means ill."""
    runs = runs_with_desk(tmp_path_factory, "sft", PLANTED)
    answers = (runs / "tuned" / "answers.jsonl").read_text("utf-8").splitlines()
    spoiled = [json.loads(line) for line in answers]
    for row in spoiled:
        row.update({key: PLANTED for key, value in row.items() if isinstance(value, str) and key != "where"})
    (runs / "tuned" / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in spoiled), "utf-8")
    copytree(runs / "sft", runs / "<b>bold<")
    with studio(tmp_path_factory.mktemp("studio"), runs=runs) as opened:
        _ask(opened)
        yield opened


def _ask(opened: Studio) -> None:
    """A file and an answer, with what people said of it."""
    known = client(opened)
    headers = {"x-csrf-token": token_of(known)}
    row = json.dumps({"messages": [{"role": "user", "content": PLANTED}, {"role": "assistant", "content": PLANTED}]})
    sent = {"file": (f"{PLANTED}.jsonl".replace('"', "'"), row + "\n")}
    known.post("/data", files=sent, data={"purpose": "fine-tune"}, headers=headers)
    database = opened.service.database
    with database.write() as connection:
        finding = {"code": "x", "severity": "warning", "message": PLANTED, "fix": PLANTED, "lines": [1], "count": 2}
        told = {"status": "processed", "status_details": PLANTED, "findings": [finding], "rows": 1}
        connection.execute(files.update().values(told))
    body = {"model": "nano", "max_tokens": 2, "messages": [{"role": "user", "content": PLANTED}], "user": PLANTED}
    answer = known.post("/play/answer", json=body, headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text
    opened.service.tracing.flush()
    caller = opened.service.everybody
    said = NewFeedback(good=False, corrected=PLANTED, comment=PLANTED, author="ann")
    add_feedback(database, caller.project, answer.json()["id"], said, None)


def path_of(opened: Studio, page: str) -> str:
    with opened.service.database.read() as connection:
        file = connection.execute(files.select()).first()
    assert file is not None
    return page.replace("FILE", file.id)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_well_and_runs_nothing_that_it_shows(
    browser: Any, axe: Any, planted: Studio, page: str, tmp_path: Path
) -> None:
    path = path_of(planted, page)
    for width, scheme in ((1280, "light"), (NARROWEST, "dark")):
        with planted.page(browser, path.replace("&", "%26"), width, scheme, bypass_csp=True) as opened:
            opened.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
            opened.wait_for_load_state("load")
            assert opened.locator("h1").count() == 1
            assert opened.locator("img").count() == 0
            assert opened.evaluate(TO_THE_SIDE) <= width, "it scrolls to the side"
            found = axe.run(opened).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


@pytest.mark.parametrize("page", ["/runs?sort=name&down=false&text=t", "/play?models=nano&prompt=hello&seed=3"])
def test_what_was_chosen_is_in_the_address(browser: Any, planted: Studio, page: str) -> None:
    with planted.page(browser, page.replace("&", "%26")) as opened:
        before = opened.locator("main").inner_text()
        opened.reload()
        assert opened.locator("main").inner_text().split() == before.split()
        opened.goto(planted.url)
        opened.go_back()
        assert opened.locator("main").inner_text().split() == before.split()
        assert re.search(r"[?&]", opened.url)
