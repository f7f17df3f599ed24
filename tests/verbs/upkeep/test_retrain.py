"""`whet retrain` on the bundled base: what it notices, what it makes of it, and what it never calls better."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import whet
from tests.retraining.tickets import tickets, written
from tests.verbs.upkeep.conftest import SETTINGS
from whet.cli.verb_list import whole_app
from whet.errors import InputError, ModelError
from whet.methods import method_of
from whet.monitoring.feedback_rows import NEAR_TEST
from whet.monitoring.trace import Feedback, Trace
from whet.observer import Silent
from whet.retraining.against_live import compare_versions, split_lines
from whet.retraining.verdict import judge, judge_part
from whet.store.model_registry import find_run, list_models
from whet.store.reading import iter_lines
from whet.store.run import Run
from whet.training.session import open_session
from whet.verbs.upkeep import retrain as module
from whet.verbs.upkeep.next_version import find_live, make_live


def lines(path: Path | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def hashes(run: Run, fate: str) -> set[str]:
    return {line["hash"] for line in iter_lines(run.folder / "rows.jsonl") if line["fate"] == fate}


def test_nothing_new_is_said_and_nothing_is_done(home: Path) -> None:
    before = sorted(path.name for path in (home / "runs").iterdir())
    ended = CliRunner().invoke(whole_app(), ["retrain", "tickets", "--json"])
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert told["sentence"].startswith("Nothing new") and told["run"] is None and told["starts"] == []
    assert told["changed"] == {
        "rows": {"added": 0, "changed": 0, "removed": 0, "from_files": 0},
        "feedback": None,
        "alarms": [],
        "base": {"name": "nano", "same": True},
    }
    assert sorted(path.name for path in (home / "runs").iterdir()) == before


def test_copies_of_the_test_rows_are_nothing_to_learn(home: Path) -> None:
    run = find_run("tickets", home / "runs")
    tests = {line["row"] for line in iter_lines(run.folder / "rows.jsonl") if line["fate"] == "test"}
    rows = lines("tickets.jsonl")
    copies = [rows[number] | {"text": rows[number]["text"].title(), "label": "repair"} for number in sorted(tests)]
    result = whet.retrain("tickets", rows=[written(home / "new.jsonl", copies)], promote=True)
    assert result["run"] is None and "none can be learned" in result["sentence"]
    assert {one["why"] for one in result["data"]["left_out"]} == {NEAR_TEST} and len(tests) >= 20


def test_what_changed_in_its_files_is_told_by_its_ledger(home: Path) -> None:
    rows, run = lines("tickets.jsonl"), find_run("tickets", home / "runs")
    fates = {line["row"]: line["fate"] for line in iter_lines(run.folder / "rows.jsonl")}
    tested = next(number for number, fate in fates.items() if fate == "test")
    (trained, gone, *_) = [number for number, fate in fates.items() if fate == "trained"]
    rows[trained] = rows[trained] | {"label": "repair"}
    kept = [row for number, row in enumerate(rows) if number not in (gone, tested)]
    written(home / "tickets.jsonl", [*kept, *tickets(4, seed=7)])

    result = whet.retrain("tickets", plan=True)
    changed = result["changed"]["rows"]
    assert changed["added"] + changed["changed"] == 5 and changed["removed"] + changed["changed"] == 3
    assert result["data"]["old_test"] == sum(fate == "test" for fate in fates.values()) - 1
    assert len(result["data"]["contradicted"]) == 0, "the old row is gone, so nothing contradicts the new one"
    assert result["data"]["new"] + result["data"]["fresh_test"] == 5
    assert result["plan"]["fits"] and [one["start"] for one in result["starts"]] == ["base", "warm"]
    assert len(list_models("runs")[0].versions) == 1, "a plan trains nothing"


def test_what_people_corrected_becomes_rows_that_name_their_traces(home: Path) -> None:
    asked = tickets(12, seed=4, kinds=("repair",))
    traces = [
        Trace(
            f"t{n}", f"log:{n}", at=1_790_000_000.0 + n, messages=[{"role": "user", "content": row["text"]}],
            answer="refund", conversation=f"c{n // 2}", feedback=(Feedback(corrected="repair", by="anna"),),
        )
        for n, row in enumerate(asked)
    ]  # fmt: skip
    result = whet.retrain("tickets", traces, plan=True)
    assert result["changed"]["feedback"] == {"form": "answers", "rows": 12, "new": 12, "left_out": {}}
    assert {"data", "changed", "plan"} <= set(result) and result["data"]["fresh_test"] == 4
    made = [line for line in lines(result["data"]["file"]) if "trace" in line]
    held = [line for line in lines(result["data"]["test_file"]) if "trace" in line]
    assert {line["trace"] for line in held} == {"t8", "t9", "t10", "t11"}, "the newest, whole conversations"
    assert {line["trace"] for line in made} == {f"t{n}" for n in range(8)}
    assert {line["label"] for line in [*made, *held]} == {"repair"}


def test_another_base_under_the_same_name_is_not_trained_on(home: Path) -> None:
    facts = home / "runs" / find_run("tickets", home / "runs").name / "model" / "whet.json"
    text = facts.read_text("utf-8")
    told = json.loads(text)
    facts.write_text(text.replace(told["base_fingerprint"], "0" * len(told["base_fingerprint"])), "utf-8")
    with pytest.raises(ModelError, match="(?s)other weights.*whet rebase tickets"):
        whet.retrain("tickets", rows=[written(home / "new.jsonl", tickets(6, seed=1))])


def test_a_run_without_a_name_or_a_wrong_start_is_refused(home: Path) -> None:
    with pytest.raises(InputError, match="this is no start"):
        whet.retrain("tickets", start="cold")  # type: ignore[arg-type]
    (home / "runs" / "models.jsonl").unlink()
    (run,) = [path.parent for path in (home / "runs").glob("*/run.json")]
    with pytest.raises(InputError, match="(?s)no named model.*whet models register"):
        whet.retrain(run)


def test_the_live_version_against_itself_is_as_good(home: Path) -> None:
    run = find_run("tickets", home / "runs")
    with run.reading():
        session = open_session(run.recipe, run, method_of, Silent())
        compared = compare_versions(run, session, Silent())
        parts = split_lines(compared.lines, session, set())
    assert not parts["fresh"] and len(parts["old"]) == len(hashes(run, "test"))
    assert [line["base"] for line in parts["old"]] == [line["tuned"] for line in parts["old"]]
    word, _ = judge({"old": judge_part(parts["old"], 0), "fresh": None}, None, None)
    assert word == "as good"


def test_a_plan_says_for_people_what_would_be_done(home: Path) -> None:
    rows = lines("tickets.jsonl")
    new = written(home / "new.jsonl", [rows[0] | {"label": "repair"}, *tickets(9, seed=1, kinds=("repair",))])
    ended = CliRunner().invoke(whole_app(), ["retrain", "tickets", "--rows", str(new), "--plan"])
    assert ended.exit_code == 0, ended.output
    assert "Since tickets@1" in ended.output and "other files: 10 new rows" in ended.output
    assert "Each tune fits here" in ended.output and "Planned: 2 tunes" in ended.output


@pytest.mark.slow
def test_a_classifier_goes_the_same_way_and_starts_from_the_base_alone(tmp_path: Path) -> None:
    data, runs = written(tmp_path / "tickets.jsonl", tickets(60, seed=0)), tmp_path / "runs"
    whet.tune(str(data), run_root=runs, **{**SETTINGS, "steps": 3, "method": "classify"})
    new = written(tmp_path / "new.jsonl", tickets(18, seed=9, kinds=("repair",)))
    result = whet.retrain("tickets@1", rows=[new], run_root=runs)
    base, warm = result["starts"]
    assert base["chosen"] and not warm["chosen"] and "no base" in warm["why"]
    against = result["against_live"]
    assert against["fresh"]["live"] == 0.0, "the live version does not know this class"
    assert (against["old"]["rows"], against["fresh"]["rows"]) == (12, 6) and result["version"] == 2
    scored = {line["row"]: line["tuned_score"] for line in iter_lines(runs / result["run"] / "answers.jsonl")}
    total = 12 * against["old"]["candidate"] + 6 * against["fresh"]["candidate"]
    assert abs(total - sum(scored.values())) < 1e-9


@pytest.mark.slow
def test_what_is_lost_elsewhere_is_held_to_the_live_version_and_to_the_first_base(home: Path) -> None:
    """Of the live version against itself nothing is lost; against its base, how far it went."""
    run = find_run("tickets", home / "runs")
    with run.reading():
        session = open_session(run.recipe, run, method_of, Silent())
        session.recipe.evaluate.forgetting = True
        compared = compare_versions(run, session, Silent())
    assert compared.lost_to_live and compared.lost_to_base
    to_live = {one["name"]: one for one in compared.lost_to_live["measures"]}
    to_base = {one["name"]: one for one in compared.lost_to_base["measures"]}
    assert compared.lost_to_live["word"] == "kept" and to_live["general-text"]["loss"] == 0.0
    assert to_live["kl-task"]["loss"] < 1e-6 < 0.1 < to_base["kl-task"]["loss"]
    assert to_live["skills"]["base"] == to_live["skills"]["tuned"] == to_base["skills"]["tuned"]
    assert to_base["skills"]["base"] > to_base["skills"]["tuned"]


def test_a_fourth_kind_is_learned_and_the_next_version_is_better(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when all is trained and before anything is compared: the same call goes on, and trains nothing again."""
    live = find_run("tickets", home / "runs")
    new = written(home / "new.jsonl", tickets(45, seed=9, kinds=("repair",)))

    def killed(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "compare_versions", killed)
        with pytest.raises(KeyboardInterrupt):
            whet.retrain("tickets", rows=[new])

    trained = {path: path.stat().st_mtime_ns for path in (home / "runs").glob("*/model/adapter_model.safetensors")}
    assert len(trained) == 3, "the live version, and one from each start"
    ended = CliRunner().invoke(whole_app(), ["retrain", "tickets", "--rows", str(new), "--json"])
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert trained == {path: path.stat().st_mtime_ns for path in trained}

    against = told["against_live"]
    assert against["word"] == "better", against["sentence"]
    assert against["fresh"]["rows"] == 15 and against["fresh"]["live"] == 0.0 and against["old"]["held"]
    by_start = {one["start"]: one for one in told["starts"]}
    assert [one["chosen"] for one in told["starts"]].count(True) == 1
    assert all(one["score"] is not None and one["rows"] > 0 for one in by_start.values())
    assert told["promoted"] == {
        "done": False,
        "why": "nobody asked for it",
        "command": "whet export tickets@2 --to merged, then whet models promote tickets 2",
    }

    candidate = Run.open(told["run"], home / "runs")
    assert hashes(live, "test") < hashes(candidate, "test")
    assert not hashes(candidate, "trained") & hashes(candidate, "test")
    parents = whet.models("runs").lineage("tickets@2")["parents"]
    assert ("retrained", live.name) in [(one["how"], one["run"]) for one in parents]

    again = whet.retrain("tickets", rows=[new], promote=True)
    assert again["promoted"]["done"], again["promoted"]
    assert list_models("runs")[0].current == 2 and len(list_models("runs")[0].versions) == 2
    nothing = whet.retrain("tickets", rows=[new])
    assert nothing["live"]["version"] == 2 and nothing["run"] is None, "it has learned these rows"

    rows, fates = lines("tickets.jsonl"), {line["row"]: line["fate"] for line in iter_lines(live.folder / "rows.jsonl")}
    gone = next(number for number, fate in fates.items() if fate == "trained")
    written(home / "tickets.jsonl", [*rows[:gone], *rows[gone + 1 :], *tickets(4, seed=7)])
    third = whet.retrain("tickets", rows=[new], plan=True)
    assert third["changed"]["rows"] == {"added": 4, "changed": 0, "removed": 1, "from_files": 0}, "of the first's file"
    assert third["data"]["old"] == told["data"]["old"] + told["data"]["new"] - 1
    assert third["data"]["old_test"] == told["data"]["old_test"] + told["data"]["fresh_test"]

    late = make_live(find_live("tickets@1", "runs"), 1, live, "better", True, "runs", Silent())
    assert not late["done"] and "tickets@2 is live by now" in late["why"]


def test_rows_with_shuffled_labels_make_no_better_version(home: Path) -> None:
    drawn = random.Random(1)
    rows = tickets(45, seed=9, kinds=("refund", "delivery", "login", "repair"))
    labels = [row["label"] for row in rows]
    drawn.shuffle(labels)
    shuffled = [row | {"label": label} for row, label in zip(rows, labels, strict=True)]
    result = whet.retrain("tickets", rows=[written(home / "new.jsonl", shuffled)], start="base", promote=True)
    assert result["against_live"]["word"] != "better" and not result["promoted"]["done"]
    assert result["version"] == 2 and list_models("runs")[0].current is None
