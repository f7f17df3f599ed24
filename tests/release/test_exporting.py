"""An export is whole and proved, or it is not there; what is wrong is said before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import whet
from whet.errors import InputError, ProofError, RunFolderError
from whet.observer import Silent
from whet.release import golden_of_run, proving
from whet.release.forms import gguf
from whet.release.forms.adapter import AdapterForm
from whet.release.golden import read_golden
from whet.release.golden_of_run import golden_of
from whet.store.run import Run


def leftovers(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if one.name.startswith("."))


def test_an_export_is_proved_and_can_be_proved_again(sound: Run, tmp_path: Path) -> None:
    told = whet.export(sound, "adapter", out=tmp_path / "out")
    assert told["proved"] and not told["forced"] and told["bytes"] > 0
    (proof,) = told["proofs"]
    assert proof["passed"] and proof["measured"]["fraction"] == pytest.approx(1, abs=1e-3)
    assert proof["measured"]["should_end"] > 0, "some answers end, so that ends are proved"
    names = {one.name for one in (tmp_path / "out").iterdir()}
    assert {"adapter_model.safetensors", "golden.json", "proof.json", "proof.html", "release.json"} <= names
    assert str(tmp_path / "out") in told["commands"]["peft"] and "{folder}" not in told["commands"]["peft"]
    page = (tmp_path / "out" / "proof.html").read_text("utf-8")
    assert "This is what was trained" in page and "<script" not in page
    again = whet.prove(tmp_path / "out")
    assert again["proved"] and again["exports"][0]["proofs"][0]["measured"] == proof["measured"]
    assert leftovers(tmp_path) == []


def test_a_named_form_of_numbers_is_written(sound: Run, tmp_path: Path) -> None:
    told = whet.export(sound, "merged", out=tmp_path / "out", type="bfloat16")
    assert {one.dtype for one in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.bfloat16}
    assert told["type"] == "bfloat16" and "written in bfloat16" in told["notes"][0]


def test_the_same_command_replaces_its_export(sound: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "release.json").write_text('{"form": "adapter", "run": "made"}', "utf-8")
    (tmp_path / "out" / "old").write_text("", "utf-8")
    whet.export(sound, "adapter", out="out")  # beside where it is called
    assert not (tmp_path / "out" / "old").exists() and (tmp_path / "out" / "adapter_config.json").exists()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"to": "megred"}, "did you mean 'merged'"),
        ({"to": "onnx"}, "could not prove"),
        ({"to": "adapter", "type": "bfloat16"}, "no such type"),
        ({"to": "merged", "type": "q8_0"}, "float32, bfloat16, float16"),
    ],
)
def test_forms_and_types_that_there_are_not(sound: Run, keys: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        whet.export(sound, **keys)


def broken_adapter(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """Exports whose B is `factor` times what it should be."""
    whole = AdapterForm.export

    def export(self: AdapterForm, model: Any, kind: Any, out: Path, observer: Any) -> Any:
        files, path = whole(self, model, kind, out, observer), out / "adapter_model.safetensors"
        save_file({k: v * factor if "lora_B" in k else v for k, v in load_file(path).items()}, path)
        return files

    monkeypatch.setattr(AdapterForm, "export", export)


def test_what_is_not_what_was_trained_is_refused(own: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_adapter(monkeypatch, 0.0)
    with pytest.raises(ProofError, match="base-answers") as error:
        whet.export(own, "adapter", out=tmp_path / "out")
    assert not (tmp_path / "out").exists() and leftovers(tmp_path) == []
    page = own.folder / "release" / "refused" / "adapter" / "proof.html"
    assert str(page) in error.value.fix and "It is the base that answers" in page.read_text("utf-8")


def test_force_releases_it_and_says_so(own: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_adapter(monkeypatch, 2.0)
    told = whet.export(own, "adapter", out=tmp_path / "out", force=True)
    assert told["forced"] and not told["proved"]
    stored = json.loads((tmp_path / "out" / "release.json").read_text("utf-8"))
    assert stored["forced"] and "by force" in (tmp_path / "out" / "proof.html").read_text("utf-8")
    with pytest.raises(ProofError):
        whet.prove(tmp_path / "out")


def test_an_export_that_was_changed_later_is_found(sound: Run, tmp_path: Path) -> None:
    whet.export(sound, "adapter", out=tmp_path / "out")
    (tmp_path / "out" / "generation_config.json").write_text('{"eos_token_id": 7}', "utf-8")
    with pytest.raises(ProofError, match="stop"):
        whet.prove(tmp_path / "out")
    (tmp_path / "out" / "adapter_model.safetensors").unlink()
    with pytest.raises(ProofError, match="cannot-open"):
        whet.prove(tmp_path / "out")


def test_a_run_without_exports_has_nothing_to_prove(own: Run) -> None:
    with pytest.raises(RunFolderError, match="no export"):
        whet.prove(own)


def test_a_library_that_writes_the_form_is_not_installed(sound: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"the package gguf is not installed: pip install .whet\[gguf\]"):
        whet.export(sound, "gguf")


def test_a_consumer_that_is_not_installed_is_told(sound: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "why_missing", lambda name: 'pip install "whet[gguf]"')
    with pytest.raises(InputError, match="nothing that reads this form is installed"):
        whet.export(sound, "adapter")


def test_where_the_data_has_gone_the_prompts_are_of_no_task(own: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(run: Run) -> None:
        raise RunFolderError("the data has changed, or it is gone")

    monkeypatch.setattr(golden_of_run, "refuse_changed_data", gone)
    (own.folder / "golden.json").unlink()
    notes: list[str] = []

    class Heard(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    golden = golden_of(own, Heard())
    assert "task" not in {case.prompt.kind for case in golden.cases} and len(golden.cases) >= 15
    assert "without rows of the task" in notes[0] and read_golden(own.folder) == golden
