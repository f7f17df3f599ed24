"""Threads that load at once get whole models, and leave transformers as it was."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from whet.model.base import load_base, load_whole

THREADS, TIMES = 4, 5


def test_models_loaded_at_once_are_whole() -> None:
    tying, dtype = PreTrainedModel.tie_weights, torch.get_default_dtype()
    first, found, start = load_base("nano", torch.float32), [], threading.Barrier(THREADS)

    def load() -> None:
        start.wait()
        for _ in range(TIMES):
            model, _ = load_whole("nano", torch.bfloat16, False)
            found.append(model.get_output_embeddings().weight)

    threads = [threading.Thread(target=load) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == THREADS * TIMES
    wanted = first.model.get_output_embeddings().weight.to(torch.bfloat16)
    assert all(torch.equal(weight, wanted) for weight in found)
    assert PreTrainedModel.tie_weights is tying and torch.get_default_dtype() == dtype


def test_transformers_still_shares_its_state_between_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the lock is there: once this fails, whet/building.py can go."""
    LlamaForCausalLM(
        LlamaConfig(vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    ).save_pretrained(tmp_path)
    tying, within = PreTrainedModel.tie_weights, []
    build = LlamaForCausalLM.__init__

    def watched(model: LlamaForCausalLM, *arguments: object, **named: object) -> None:
        within.append((PreTrainedModel.tie_weights, torch.get_default_dtype()))
        build(model, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(LlamaForCausalLM, "__init__", watched)
    LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert within[0][0] is not tying and within[0][1] == torch.bfloat16
