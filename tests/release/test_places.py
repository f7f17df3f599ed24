"""No file of a release names this disk; on this disk a proof finds the base again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import ModelError
from whet.release.forms.adapter import AdapterForm
from whet.release.publishing.places import without_places
from whet.store.run import Run


def refuse_places(folder: Path, run: Run) -> None:
    """Every byte of a release: neither the home folder, nor the runs, nor where the base lies."""
    private = {str(Path.home()), str(run.folder.parent), str(folder.parent), run.recipe.base, "/private/", "/tmp/"}
    for file in folder.rglob("*"):
        if file.is_file():
            found = [place for place in private if place.encode() in file.read_bytes()]
            assert not found, (file.name, found)


@pytest.mark.parametrize(
    ("form", "kind"), [("adapter", None), ("merged", "bfloat16"), ("vllm", "adapter"), ("gguf", "lora")]
)
def test_no_file_names_a_folder_of_this_disk(dated: Run, tmp_path: Path, form: str, kind: str | None) -> None:
    if form == "gguf":
        pytest.importorskip("xllamacpp")
    told = whet.export(dated, form, out=tmp_path / "out", type=kind)
    refuse_places(tmp_path / "out", dated)
    assert "our-base" in (tmp_path / "out" / "proof.html").read_text("utf-8")
    stored = json.loads((tmp_path / "out" / "release.json").read_text("utf-8"))
    assert stored["base"] == "our-base" and len(stored["base_fingerprint"]) == 64
    for consumer, text in told["commands"].items():  # those that are printed can be copied as they are
        assert str(tmp_path / "out") in text and "FOLDER" in stored["commands"][consumer]
    if form == "vllm":
        assert f"vllm serve {dated.recipe.base} " in told["commands"]["vllm"]
        assert "vllm serve BASE " in stored["commands"]["vllm"]


def test_a_fault_tells_no_folder_either(dated: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = AdapterForm.export

    def export(self: AdapterForm, model: Any, kind: Any, out: Path, observer: Any) -> Any:
        files = whole(self, model, kind, out, observer)
        (out / "adapter_model.safetensors").unlink()
        return files

    monkeypatch.setattr(AdapterForm, "export", export)
    told = whet.export(dated, "adapter", out=tmp_path / "out", force=True)
    assert told["forced"] and told["proofs"][0]["faults"][0]["name"] == "cannot-open"
    refuse_places(tmp_path / "out", dated)


def test_the_base_is_found_by_its_weights(dated: Run, tmp_path: Path) -> None:
    whet.export(dated, "adapter", out=tmp_path / "out")
    root, base = dated.folder.parent, dated.recipe.base
    assert whet.prove(tmp_path / "out", run_root=root)["proved"]
    with pytest.raises(ModelError, match="not at hand: our-base, weights") as error:
        whet.prove(tmp_path / "out", run_root=tmp_path)
    assert "base=" in error.value.fix or "--base" in error.value.fix
    assert whet.prove(tmp_path / "out", run_root=tmp_path, base=base)["proved"]
    release = tmp_path / "out" / "release.json"
    facts = json.loads(release.read_text("utf-8"))
    release.write_text(json.dumps(facts | {"base_fingerprint": "0" * 64}), "utf-8")
    with pytest.raises(ModelError, match="not at hand"):
        whet.prove(tmp_path / "out", run_root=root)


def test_texts_keep_the_last_name_of_a_path() -> None:
    told = {"a": ["no file at '/home/me/x/base'.", "see https://huggingface.co/o/m and /tokenize, and/or 1/2"]}
    wanted = ["no file at 'base'.", "see https://huggingface.co/o/m and /tokenize, and/or 1/2"]
    assert without_places(told) == {"a": wanted}
    assert without_places(r"C:\Users\me\base and ~/x/y.json, n: 3") == "base and y.json, n: 3"
