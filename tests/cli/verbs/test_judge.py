"""People judge pairs blindly: through a pty as at a terminal, through a pipe, stopped and taken up again."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from whet import api
from whet.errors import RunFolderError
from whet.evaluation.judges import people
from whet.stats.agreement import cohens_kappa

ROWS = 12


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run as far as judging looks at it: the base is rude, and one row has the same answer twice."""
    folder = tmp_path / "runs" / "manners"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"name": "manners", "created": "2026-01-31T12:00:00Z"}))
    (folder / "evaluation.json").write_text(json.dumps({"model": "nano"}))
    lines = [
        {
            "row": n,
            "where": f"rows.jsonl:{n + 1}",
            "prompt": [{"role": "user", "content": f"May I have {n} of them?"}],
            "base": f"No, not {n}.",
            "tuned": f"Of course, here are {n}." if n else "No, not 0.",
        }
        for n in range(ROWS)
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def kept(folder: Path, name: str = people.PREFERENCES) -> list[dict[str, Any]]:
    path = folder / name
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def piped(folder: Path, choices: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "whet", "judge", "manners", "--runs", str(folder.parent), *options]
    return subprocess.run(command, input=choices, capture_output=True, text=True, timeout=120)


def test_choices_may_be_piped_and_the_result_is_one_object(run: Path) -> None:
    done = piped(run, "l\nr\nt\nb\ns\nx\nr\n", "--who", "anna", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["choices"] == {"decided": 3, "tie": 1, "bad": 1, "skip": 1} and found["people"] == ["anna"]
    assert found["wins"] + found["losses"] == 3 and found["ties"] == 2 + 1, "one row has the same answer twice"
    assert "'x' is none of the keys" in done.stderr
    assert len(kept(run)) == 3 and len(kept(run, people.NO_PREFERENCE)) == 3


def test_a_judgement_says_who_when_what_and_in_which_order(run: Path) -> None:
    piped(run, "l\n", "--who", "anna")
    [row] = kept(run)
    facts = row["provenance"]
    assert (facts["run"], facts["who"], facts["choice"], facts["model"]) == ("manners", "anna", "left", "nano")
    assert facts["won"] == facts["left"] and re.fullmatch(r"20\d\d-.*Z", facts["at"])
    rude = facts["left"] == "base"
    assert row["chosen"].startswith("No") == rude and row["rejected"].startswith("No") != rude
    assert row["prompt"][0]["content"] == f"May I have {facts['row']} of them?"


def test_nothing_on_the_screen_tells_whose_answer_it_is(run: Path) -> None:
    screen = piped(run, "t\n" * ROWS, "--who", "anna").stdout
    shown = screen[: screen.index("Win rate")]
    assert "base" not in shown and "tuned" not in shown and "Of course, here are 3." in shown


def test_the_same_command_goes_on_and_another_person_begins_anew(run: Path) -> None:
    piped(run, "l\nl\nl\n", "--who", "anna")
    second = piped(run, "r\n" * ROWS, "--who", "anna")
    assert "8 pairs to judge as anna" in second.stdout
    rows = [line["provenance"]["row"] for line in kept(run)]
    assert sorted(rows) == list(range(1, ROWS)), "each row once, and the one with the same words never"
    assert "has judged every pair" in piped(run, "", "--who", "anna").stdout
    assert "11 pairs to judge as bert" in piped(run, "q\n", "--who", "bert").stdout


def test_what_is_left_and_what_the_rows_must_not_be_used_for_is_said(run: Path) -> None:
    some = piped(run, "l\nt\nq\n", "--who", "anna").stdout
    assert "9 pairs are left; the same command goes on" in some
    assert "this run's test rows: do not judge a model that learned them by that test" in some
    assert "1 pair is left" in piped(run, "t\n" * 8, "--who", "anna").stdout
    rest = piped(run, "t\n", "--who", "anna").stdout
    assert "left; the same command" not in rest


def test_the_sides_are_shuffled_and_stay_where_they_were(run: Path) -> None:
    first, again, other = (people.start_session(run, who).waiting for who in ("anna", "anna", "bert"))
    assert first == again and {pair.left for pair in first} == {"base", "tuned"}
    assert [pair.row for pair in first] != sorted(pair.row for pair in first)
    assert [pair.row for pair in first] != [pair.row for pair in other]


def test_over_many_rows_each_side_stands_left_half_of_the_time() -> None:
    left = [people.draw("run", "anna", row, "side") % 2 for row in range(4000)]
    assert 0.46 < sum(left) / 4000 < 0.54


def in_terminal(folder: Path, keys: list[bytes]) -> tuple[int, str]:
    """Exit code and screen of `whet judge` at a terminal where `keys` are pressed one after the other."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"COLUMNS": "100", "TERM": "xterm"}
        command = [sys.executable, "-m", "whet", "judge", "manners", "--runs", str(folder.parent), "--who", "anna"]
        os.execv(sys.executable, command)
    screen, ready, deadline = b"", 0, time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        screen += data
        while keys and len(re.findall(rb"right \xe2\x94\x80", screen)) > ready:
            ready += 1
            time.sleep(0.2)  # until it waits for a key
            os.write(terminal, keys.pop(0))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), screen.decode("utf-8", "replace")


def test_single_keys_at_a_terminal(run: Path) -> None:
    code, screen = in_terminal(run, [b"l", b"\x1b[C", b"t", b"q"])
    assert code == 0, screen
    assert [line["provenance"]["choice"] for line in kept(run)] == ["left", "right"]
    assert [line["provenance"]["choice"] for line in kept(run, people.NO_PREFERENCE)] == ["tie"]
    assert "3 of 11: tie" in screen and "Win rate of the tuned model" in screen


def test_ctrl_c_keeps_what_was_judged(run: Path) -> None:
    code, _ = in_terminal(run, [b"l", b"\x03"])
    assert code == 130 and len(kept(run)) == 1


def test_answers_with_control_characters_do_not_reach_the_terminal(run: Path) -> None:
    path = run / "answers.jsonl"
    path.write_text(path.read_text("utf-8").replace("Of course", "\\u001b[2JOf course"))
    assert "\x1b[2J" not in piped(run, "t\n", "--who", "anna").stdout


def test_long_answers_are_shown_whole(run: Path) -> None:
    path = run / "answers.jsonl"
    path.write_text(
        path.read_text("utf-8").replace("Of course", "Of course " + "word " * 900 + "THE-MIDDLE " + "word " * 900)
    )
    assert "THE-MIDDLE" in piped(run, "t\n", "--who", "anna").stdout


def test_judgements_on_older_answers_do_not_count_and_are_asked_again(run: Path) -> None:
    piped(run, "l\n" * ROWS, "--who", "anna")
    path = run / "answers.jsonl"
    path.write_text(path.read_text("utf-8").replace("here are", "take these"))
    assert people.result(run)["rate"] is None and len(people.start_session(run, "anna").waiting) == ROWS - 1


def test_agreement_with_a_model_that_judged_the_same_rows(run: Path) -> None:
    path = run / "answers.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    verdicts = ["tuned", "base", "tie"] * 4
    path.write_text("".join(json.dumps(line | {"judged": verdicts[line["row"]]}) + "\n" for line in lines))
    piped(run, "l\n" * ROWS, "--who", "anna")
    labels = {line["provenance"]["row"]: line["provenance"]["won"] for line in kept(run)}
    found = people.result(run)["agreement"]
    assert found == cohens_kappa([labels[n] for n in sorted(labels)], [verdicts[n] for n in sorted(labels)])
    assert found["rows"] == ROWS - 1 and "kappa" in people.result(run)["statement"]


def test_a_run_without_answers_says_what_to_do(run: Path) -> None:
    (run / "answers.jsonl").unlink()
    with pytest.raises(RunFolderError, match="no answers"):
        people.start_session(run, "anna")
    done = piped(run, "", "--json")
    assert done.returncode == 2 and json.loads(done.stdout)["error"]["exit_code"] == 2


@pytest.mark.parametrize("about", [{"choice": "left"}, {"choice": "left", "who": "anna"}])
def test_a_judgement_that_does_not_say_who_and_of_which_row_is_refused(run: Path, about: dict[str, Any]) -> None:
    (run / people.NO_PREFERENCE).write_text(json.dumps({"base": "a", "tuned": "b", "provenance": about}) + "\n")
    with pytest.raises(RunFolderError, match="judgements-even.jsonl:1: this line is no judgement"):
        people.start_session(run, "anna")


def test_an_answer_without_its_parts_is_refused(run: Path) -> None:
    (run / "answers.jsonl").write_text('{"base": "a", "tuned": "b"}\n')
    with pytest.raises(RunFolderError, match="answers.jsonl:1: this line is no answer"):
        people.start_session(run, "anna")


def test_a_file_that_holds_something_else_is_refused(run: Path) -> None:
    (run / people.PREFERENCES).write_text('{"chosen": "a", "rejected": "b"}\n')
    with pytest.raises(RunFolderError, match="judgements.jsonl:1"):
        people.start_session(run, "anna")


@pytest.mark.parametrize(("method", "steps"), [("auto", 2), ("reward", 2)])
def test_the_file_feeds_into_dpo_and_reward_models(run: Path, tmp_path: Path, method: str, steps: int) -> None:
    lines = (run / "answers.jsonl").read_text("utf-8")
    more = [json.loads(line) for line in lines.splitlines()] * 4
    for n, line in enumerate(more):
        line |= {"row": n, "base": f"No {n}.", "tuned": f"Of course, {n} {n % 7}."}
        line["prompt"] = [{"role": "user", "content": f"May I have {n}?"}]
    (run / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in more))
    sitting = people.start_session(run, "anna")
    for pair in sitting.waiting:
        sitting.keep(pair, "left" if pair.left == "tuned" else "right")
    keys = {"steps": steps, "evaluate.forgetting": "false", "split.near_duplicates": "false", "split.test": 8}
    result = api.tune(
        run / people.PREFERENCES,
        run_root=tmp_path / "later",
        **keys,
        **({} if method == "auto" else {"method": method}),
    )
    assert result["method"].startswith("dpo" if method == "auto" else "reward")
    assert result["ledger"]["rows_in"] == len(sitting.waiting) == 48 and not result["ledger"]["dropped"]
    assert result["verdict"]["word"] in ("better", "worse", "no-difference", "undecided")
