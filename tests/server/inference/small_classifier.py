"""A classifier of nano with made-up weights, as a run leaves it: nothing is trained."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from whet.model.base import load_base
from whet.model.heads.linear import Scorer, add_head
from whet.model.heads.sequence_classifier import save_classifier, score_rows
from whet.model.policy import Policy
from whet.model.saved_model import sums_of_weights
from whet.store.checksums import seal
from whet.training.classifier_folder import golden_texts
from whet.training.learners.classify import Outputs

CLASSES = {"single": ("angry", "pleased", "safe"), "multi-label": ("hate", "threat")}


def make_classifier(folder: Path, task: str) -> Path:
    """Its model folder."""
    base = load_base("nano", torch.float32)
    outputs = Outputs(task, CLASSES[task])
    head = add_head(base.model, outputs.count)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        torch.nn.init.normal_(head.weight, std=0.3)

    scorer = Scorer(Policy(base.model.eval()))
    rows = golden_texts(base.tokenizer)
    facts = {
        "task": task, "labels": list(outputs.names), "mean": 0.0, "spread": 1.0,
        "golden_rows": rows, "golden_scores": score_rows(scorer, rows).tolist(),
    }  # fmt: skip
    if task == "multi-label":
        facts["thresholds"] = [0.5] * outputs.count
    save_classifier(scorer, base.tokenizer, frozenset({1}), folder, outputs.config())
    base.tokenizer.save_pretrained(folder)

    sums = sums_of_weights(folder)
    whole = {
        "base": "nano", "adapter": "full", "dtype": "float32", "seed": 0, "from_scratch": False, "method": "classify",
        "clock": "2026-01-01T00:00:00", "golden_prompt": [], "golden_ids": [], "weights_sha256": sums, "head": facts,
    }  # fmt: skip
    (folder / "whet.json").write_text(json.dumps(whole), "utf-8")
    seal(folder, sums)
    return folder
