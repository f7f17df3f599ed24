"""`whet rebase`: the same base under another name is no better, and what cannot work is refused before training."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import pytest
from typer.testing import CliRunner

import whet
from tests.retraining.tickets import tickets, written
from whet.cli.verb_list import whole_app
from whet.errors import InputError, RunFolderError, WhetError
from whet.model.base import locate
from whet.store.model_registry import list_models


def test_the_same_weights_under_another_name_are_as_good_and_never_better(home: Path) -> None:
    other = copytree(locate("nano"), home / "newer")
    ended = CliRunner().invoke(whole_app(), ["rebase", "tickets", "--base", str(other), "--json"])
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    against, cost = told["against_live"], told["cost"]
    assert against["word"] == "as good" and against["old"]["difference"]["discordant"] == 0
    assert told["test_rows"] == {"shared": 24, "only_live": 0, "only_next": 0}
    assert told["bases"] == {"live": "nano", "next": str(other)}
    for key in ("parameters", "weight_bytes", "prompt_tokens"):
        assert cost["live"][key] == cost["next"][key] > 0
    assert cost["live"]["seconds_per_answer"] > 0 and cost["next"]["seconds_per_answer"] > 0
    assert told["recommendation"]["do"] in ("stay", "take it"), "by how long answers took"
    assert told["version"] == 2 and not told["promoted"]["done"]

    ended = CliRunner().invoke(whole_app(), ["rebase", "tickets", "--base", str(other)])
    assert ended.exit_code == 0 and "tokens of a prompt" in ended.output
    assert [one.stage for one in list_models("runs")[0].versions] == ["candidate", "candidate"]
    parents = whet.models("runs").lineage("tickets@2")["parents"]
    assert [one["how"] for one in parents] == ["rebased"]

    written(home / "tickets.jsonl", [*tickets(120, seed=0), *tickets(3, seed=7)])
    changed = whet.retrain("tickets@2", plan=True)["changed"]
    assert changed["rows"]["added"] == 3 and changed["base"] == {"name": str(other), "same": True}


def test_what_cannot_work_is_refused_before_anything_is_trained(home: Path) -> None:
    before = sorted(path.name for path in (home / "runs").glob("*/run.json"))
    with pytest.raises(InputError, match="(?s)the base that it has.*whet retrain tickets"):
        whet.rebase("tickets", "nano")
    with pytest.raises(WhetError, match="no-such-base"):
        whet.rebase("tickets", str(home / "no-such-base"))
    empty = home / "empty"
    empty.mkdir()
    with pytest.raises(WhetError):
        whet.rebase("tickets", str(empty))
    written(home / "tickets.jsonl", tickets(30, seed=3))
    with pytest.raises(RunFolderError, match="not the data"):
        whet.rebase("tickets", str(copytree(locate("nano"), home / "newer")))
    assert sorted(path.name for path in (home / "runs").glob("*/run.json")) == before
