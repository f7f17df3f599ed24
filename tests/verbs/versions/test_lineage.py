"""A version leads back to its rows, its base and the runs that it was made from, and on to its releases."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

import whet
from tests.hand_made_runs import hand_made, release
from whet.cli.main import run as command
from whet.data.render.renderer import Renderer
from whet.model.base import Base
from whet.model.saved_model import read_facts, write_facts
from whet.recipe.schema import Recipe
from whet.store.run import Run

Capture = pytest.CaptureFixture[str]
KEYS = "model run folder versions known imported_from method data base parents releases".split()


pytestmark = pytest.mark.usefixtures("here")


def test_a_version_leads_to_its_rows_and_releases(capsys: Capture) -> None:
    run = hand_made("runs", "a")
    release(run)
    release(run, "gguf", passed=False)
    whet.models().register("desk", run)
    assert command(["models", "lineage", "desk@1", "--json"]) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert list(told) == KEYS and told["versions"] == ["desk@1"] and told["known"] and told["method"] == "sft"
    assert told["data"]["files"] == [{"key": "data", "name": "d.jsonl", "there": True}]
    assert told["data"]["rows"] == {"d.jsonl": {"trained": 3, "validation": 1, "test": 1, "dropped": 1}}
    assert told["data"]["unchanged"] is True and told["data"]["sha256"] == run.read_json("run.json")["data_sha256"]
    assert told["data"]["left_out"] == {"empty": 1} and told["data"]["each_row"] == "runs/a/rows.jsonl"
    assert told["base"] == {
        "name": "nano", "there": None, "revision": None, "fingerprint": "f" * 64, "quantise": None,
        "from_scratch": False,
    }  # fmt: skip
    assert told["parents"] == [] and [(one["form"], one["counts"]) for one in told["releases"]] == [
        ("gguf", False), ("merged", True)
    ]  # fmt: skip
    for words in ("3 trained, 1 validation, 1 test, 1 dropped", "as it was in training", "not proved: it failed"):
        assert words in shown.err, words


def test_data_that_changed_or_is_gone_is_told() -> None:
    hand_made("runs", "a")
    Path("d.jsonl").write_text("{}\n{}\n")
    assert whet.models().lineage("a")["data"]["unchanged"] is False
    Path("d.jsonl").unlink()
    data = whet.models().lineage("a")["data"]
    assert data["unchanged"] is None and not data["files"][0]["there"]
    assert "not on this disk" in repr(whet.models().lineage("a"))


def whole(run: Run) -> str:
    """The run's model as a base: whole weights."""
    (run.model / "config.json").write_text("{}")
    return str(run.model.resolve())


def test_runs_that_were_made_from_runs_lead_to_the_first(capsys: Capture) -> None:
    first = hand_made("runs", "sft")
    models = whet.models()
    models.register("base", first)
    second = hand_made("runs", "dpo", base=whole(first), seed=1)
    merged = release(second)
    (merged / "config.json").write_text("{}")
    hand_made("runs", "rl", base=str(merged.resolve()), seed=2)
    found = models.lineage("rl")
    (parent,) = found["parents"]
    assert (parent["how"], parent["run"], parent["there"], parent["versions"]) == ("base", "dpo", True, [])
    (grandparent,) = parent["parents"]
    assert (grandparent["run"], grandparent["versions"], grandparent["parents"]) == ("sft", ["base@1"], [])
    assert command(["models", "lineage", "rl"]) == 0
    assert "  from: base" in capsys.readouterr().out


def test_teachers_rewards_scales_and_rows_of_runs_are_parents() -> None:
    for number, name in enumerate(("teacher", "judge", "trained", "asked")):
        hand_made("runs", name, seed=number, weights=name)
    models = whet.models()
    models.register("desk", "teacher")
    Path("runs/asked/judgements.jsonl").write_text("{}\n")
    teacher, rows = {"kind": "distil", "teacher": "desk@1"}, "runs/asked/judgements.jsonl"
    pupil = hand_made("runs", "pupil", method=teacher, data=rows)
    pupil.write_json("scaled_from.json", {"run": "trained", "scale": 0.5})
    found = {one["how"]: one["run"] for one in models.lineage("pupil")["parents"]}
    assert found == {"scaled": "trained", "data": "asked", "method.teacher": "teacher"}
    rewards = [{"kind": "model", "model": "runs/judge"}]
    hand_made("runs", "rl", method={"kind": "grpo", "rewards": rewards})
    assert [one["how"] for one in models.lineage("rl")["parents"]] == ["method.rewards.0.model"]


def test_a_parent_that_is_gone_is_told() -> None:
    hand_made("runs", "teacher", seed=1)
    hand_made("runs", "pupil", method={"kind": "distil", "teacher": "teacher"})
    shutil.rmtree("runs/teacher")
    (parent,) = whet.models().lineage("pupil")["parents"]
    assert not parent["there"] and parent["name"] == "teacher" and parent["run"] is None
    assert "it is not there" in repr(whet.models().lineage("pupil"))


def test_runs_that_name_each_other_end() -> None:
    one, other = (hand_made("runs", name, seed=number) for number, name in enumerate(("a", "b")))
    one.write_json("scaled_from.json", {"run": "b"})
    other.write_json("scaled_from.json", {"run": "a"})
    (parent,) = whet.models().lineage("a")["parents"]
    assert parent["run"] == "b" and parent["parents"] == []


def test_what_was_imported_has_no_known_lineage(capsys: Capture) -> None:
    theirs = hand_made("runs", "theirs")
    theirs.write_json("imported.json", {"from": "/theirs", "lineage": "unknown"})
    release(theirs, "imported")
    found = whet.models().lineage("theirs")
    assert not found["known"] and found["data"] is None and found["parents"] == []
    assert found["imported_from"] == "/theirs"
    assert found["base"]["fingerprint"] == "f" * 64 and found["releases"][0]["counts"]
    assert "lineage unknown: it was imported from /theirs" in " ".join(repr(found).split())
    hand_made("runs", "ours", base=whole(theirs), seed=1)
    assert not whet.models().lineage("ours")["parents"][0]["known"]
    assert command(["models", "lineage", "ours"]) == 0 and "imported: lineage unknown" in capsys.readouterr().out


def test_the_commit_of_a_base_from_the_hub_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written with the model, because the Hub's library may fetch another one later."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name, commit in (("org/fetched", "c0ffee"), ("org/never", None)):
        if commit:
            refs = tmp_path / "hub" / f"models--{name.replace('/', '--')}" / "refs"
            refs.mkdir(parents=True)
            (refs / "main").write_text(commit)
        run = hand_made("runs", name.partition("/")[2], seed=len(name))
        recipe, base = Recipe(data="d.jsonl", base=name), SimpleNamespace(path=name, fingerprint="f" * 64)
        renderer = SimpleNamespace(clock=datetime.now(), stop_ids={1}, prompt_ids=lambda *_: [1])
        write_facts(run.model, cast(Base, base), "torch.float32", cast(Renderer, renderer), recipe)
        found = whet.models().lineage(run.name)
        assert found["base"]["revision"] == commit and found["base"]["name"] == name
    assert "base_revision" not in read_facts(Path("runs/never/model"))
