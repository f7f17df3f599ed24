"""lm-eval's three questions against transformers' own forward, and its runner where the package is installed."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from whet.data.template import Renderer
from whet.errors import InputError
from whet.evaluate import harness
from whet.evaluate.sides import Side
from whet.model.base import Base, load_base
from whet.model.fit import install_forest
from whet.model.policy import Policy

TASK = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
doc_to_choice: "{{choices}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""


@pytest.fixture(scope="module")
def nano() -> tuple[Side, Base, Renderer]:
    base = load_base("nano", torch.float32)
    install_forest(base.model)
    return Side("base", Policy(base.model)), base, Renderer(base.tokenizer)


def test_a_continuation_is_as_likely_as_transformers_says(nano: tuple[Side, Base, Renderer]) -> None:
    side, base, _ = nano
    pairs = [("The king was", " old and very"), ("In the morning", " the"), ("", "Once upon a"), ("It was ", "late")]
    found = harness.likelihoods(side, [harness.pair_ids(base, *pair) for pair in pairs])
    for (context, continuation), (logprob, greedy) in zip(pairs, found, strict=True):
        head, rest = harness.pair_ids(base, context, continuation)
        with torch.no_grad():
            logits = base.model(input_ids=torch.tensor([head + rest])).logits[0, len(head) - 1 : -1].log_softmax(-1)
        target = torch.tensor(rest)
        assert logprob == pytest.approx(logits.gather(1, target[:, None]).sum().item(), rel=1e-4)
        assert greedy == bool((logits.argmax(-1) == target).all())
        assert base.tokenizer.decode(rest).strip() == continuation.strip()


def test_what_the_model_would_write_is_greedy(nano: tuple[Side, Base, Renderer]) -> None:
    side, base, renderer = nano
    text = harness.written(side, base, renderer, "In the morning", {"until": ["\n"], "max_gen_toks": 3})
    ((_, greedy),) = harness.likelihoods(side, [harness.pair_ids(base, "In the morning", text)])
    assert text and greedy


def test_a_context_that_is_too_long_loses_its_beginning(nano: tuple[Side, Base, Renderer]) -> None:
    _, base, _ = nano
    context, rest = harness.pair_ids(base, "word " * 3000, "end")
    assert len(context) + len(rest) == base.context and base.tokenizer.decode(rest).strip() == "end"


def test_documents_are_paired_by_their_id() -> None:
    samples = [{"doc_id": n, "metrics": ["bypass", "acc"], "bypass": "x", "acc": n % 2} for n in range(3)]
    assert harness.by_document("t", samples) == ("acc", {"0": 0.0, "1": 1.0, "2": 0.0})
    base, tuned = {"t": ("acc", {"0": 0.0, "1": 1.0})}, {"t": ("acc", {"1": 0.5, "0": 0.25})}
    assert list(harness.paired(base, tuned)) == [("t", "acc", [0.0, 1.0], [0.25, 0.5])]
    with pytest.raises(InputError, match="no single documents"):
        harness.by_document("group", [])


def test_without_the_package_there_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    own = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "lm_eval":
            raise ImportError(name)
        return own(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match="need the package lm-eval"):
        harness.harness()


def test_its_runner_asks_our_model(
    nano: tuple[Side, Base, Renderer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"question": "The sun is", "choices": [" hot", " qzx"], "answer": 0}] * 4
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "sums.yaml").write_text(TASK.replace("FILE", str(tmp_path / "rows.jsonl")))
    found = harness.run_tasks(*nano, [str(tmp_path / "sums.yaml")], None)
    metric, scores = found["sums"]
    assert metric == "acc" and len(scores) == 4 and set(scores.values()) == {1.0}
    with pytest.raises(InputError, match="no such task"):
        harness.run_tasks(*nano, ["a-task-nobody-wrote"], None)
