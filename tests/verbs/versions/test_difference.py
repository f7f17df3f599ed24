"""Two versions beside each other: what differs in them, and whether their scores can be compared."""

from __future__ import annotations

import json

import pytest

import whet
from tests.hand_made_runs import hand_made, release
from whet.cli.main import run as command
from whet.errors import RunFolderError

Capture = pytest.CaptureFixture[str]
KEYS = {"models", "runs", "recipe", "data", "scores", "verdict", "forgetting", "card", "releases"}


pytestmark = pytest.mark.usefixtures("here")


def test_two_versions_are_compared(capsys: Capture) -> None:
    one, other = hand_made("runs", "a", score=0.5), hand_made("runs", "b", answer="no", score=0.75, seed=3, steps=9)
    release(one)
    for run, licence in ((one, "mit"), (other, "apache-2.0")):
        (run.model / "README.md").write_text(f"---\nlicense: {licence}\ntags:\n- whet\n---\n\n# {run.name}\n")
        whet.models().register("desk", run)
    assert command(["models", "diff", "desk@1", "desk@2", "--json"]) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert told.keys() == KEYS and told["models"] == ["desk@1", "desk@2"] and told["runs"] == ["a", "b"]
    assert told["recipe"] == {"seed": [0, 3], "steps": [None, 9]}
    assert told["data"]["same"] and told["data"]["same_test_rows"] and told["data"]["rows"]["trained"] == [3, 3]
    assert told["data"]["trained_rows"] == {"shared": 3, "only": [0, 0]}
    assert told["data"]["left_out"] == [{"empty": 1}, {"empty": 1}]
    assert [one["score"] for one in told["scores"]["tuned"]] == [0.5, 0.75]
    assert told["scores"]["difference"][1] == {
        "estimate": 0.5, "low": 0.1, "high": 0.9, "p": 0.001, "rows": 100, "scale": None
    }  # fmt: skip
    assert told["verdict"]["ship"] == ["yes", "no"] and told["forgetting"]["word"] == ["kept", "lost"]
    assert [one["word"] for one in told["forgetting"]["measures"]["General text"]] == ["kept", "lost"]
    assert told["card"] == {"license": ["mit", "apache-2.0"]}
    assert [one["counts"] for one in told["releases"][0]] == [True] and told["releases"][1] == []
    for words in ("50.0% (45.0% to 55.0%)", "recipe seed", "merged proved", "their scores can be compared"):
        assert words in shown.err, words


def test_other_rows_are_told(capsys: Capture) -> None:
    hand_made("runs", "a")
    hand_made("runs", "b", seed=1, fates=("trained", "trained", "test", "validation", "trained", "dropped"))
    found = whet.models().diff("a", "b")
    assert found["data"]["trained_rows"] == {"shared": 2, "only": [1, 1]} and not found["data"]["same_test_rows"]
    assert "their scores cannot be compared" in repr(found)


def test_a_model_against_itself_differs_in_nothing() -> None:
    run = hand_made("runs", "a")
    models = whet.models()
    models.register("desk", run)
    found = models.diff("desk@1", "a")
    assert found["recipe"] == found["card"] == {} and found["data"]["same"] and found["data"]["same_test_rows"]
    assert all(one == other for one, other in (found["scores"]["tuned"], found["verdict"]["ship"], found["releases"]))
    assert repr(found).startswith("desk@1 and a are the same run") and "<td" in found._repr_html_()


def test_what_was_not_measured_or_has_no_card_has_nothing_to_compare() -> None:
    hand_made("runs", "a")
    bare = hand_made("runs", "b", seed=1)
    for name in ("evaluation.json", "rows.jsonl", "ledger.json", "model/whet.json"):
        (bare.folder / name).unlink()
    (bare.model / "README.md").write_text("---\na: [\n---\n")
    found = whet.models().diff("a", "b")
    assert found["verdict"]["ship"] == ["yes", None] and found["scores"]["tuned"][1] is None
    assert not found["data"]["same_test_rows"] and found["data"]["rows"]["trained"] == [3, None]
    assert list(found["card"]) == ["unreadable"] and "-" in repr(found)


def test_what_is_not_there_is_refused() -> None:
    hand_made("runs", "a")
    with pytest.raises(RunFolderError, match="there is no run 'aa'"):
        whet.models().diff("a", "aa")
