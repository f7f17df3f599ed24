"""What others trained is taken in whole and checked, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

import whet
from whet.errors import ModelError, ProofError, RunFolderError
from whet.model.base import NANO
from whet.release import golden_of_run
from whet.release.golden_prompts import conversations
from whet.store.run import Run


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three prompts: each costs an answer."""
    monkeypatch.setattr(golden_of_run, "conversations", lambda *asked: conversations(*asked)[6:9])


@pytest.fixture
def theirs(sound: Run, tmp_path: Path) -> Path:
    """An adapter as PEFT leaves it."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(sound.model / name, folder)
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "nano"}), "utf-8")
    return folder


def test_an_adapter_becomes_a_model_of_unknown_lineage(theirs: Path, tmp_path: Path) -> None:
    told = whet.import_model(theirs, run_root=tmp_path / "runs")
    assert told["proved"] and (told["name"], told["version"]) == ("theirs", 1)
    run = Run.open("theirs", tmp_path / "runs")
    assert run.status == "done" and run.read_json("imported.json")["lineage"] == "unknown"
    assert [model.name for model in whet.models(tmp_path / "runs")] == ["theirs"]
    assert whet.export(run, "merged", out=tmp_path / "out")["proved"]
    said = "".join(whet.chat("theirs@1", run_root=tmp_path / "runs").reply([{"role": "user", "content": "Hello"}]))
    assert isinstance(said, str)


def test_whole_weights_without_their_base_are_their_own(tmp_path: Path) -> None:
    AutoModelForCausalLM.from_pretrained(NANO).save_pretrained(tmp_path / "whole")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(NANO / name, tmp_path / "whole")
    told = whet.import_model(tmp_path / "whole", name="own", run_root=tmp_path / "runs")
    assert told["proved"] and "hardly differ" in told["proofs"][0]["notes"][0]


def test_weights_that_stop_elsewhere_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    AutoModelForCausalLM.from_pretrained(NANO).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(NANO / name, folder)
    config = json.loads((folder / "generation_config.json").read_text("utf-8"))
    (folder / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": 7}), "utf-8")
    with pytest.raises(ProofError, match="stop"):
        whet.import_model(folder, name="own", run_root=tmp_path / "runs")
    assert not (tmp_path / "runs" / "own").exists()
    assert whet.import_model(folder, name="own", run_root=tmp_path / "runs", force=True)["proved"] is False


def test_bad_folders_are_refused_and_leave_nothing(theirs: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(ModelError, match="no such folder"):
        whet.import_model(tmp_path / "nothing", run_root=runs)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="safetensors"):
        whet.import_model(tmp_path / "empty", run_root=runs)
    config = json.loads((theirs / "adapter_config.json").read_text("utf-8"))
    (theirs / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}), "utf-8")
    with pytest.raises(ModelError, match="does not tell its base"):
        whet.import_model(theirs, run_root=runs)
    (theirs / "adapter_config.json").write_text(json.dumps(config | {"r": 8}), "utf-8")
    with pytest.raises(ModelError, match="does not fit"):
        whet.import_model(theirs, base="nano", run_root=runs)
    assert not (runs / "theirs").exists()


def test_a_name_that_is_taken_stays(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "runs" / "theirs").mkdir(parents=True)
    with pytest.raises(RunFolderError, match="a run of this name"):
        whet.import_model(theirs, run_root=tmp_path / "runs")
    assert (tmp_path / "runs" / "theirs").exists()
