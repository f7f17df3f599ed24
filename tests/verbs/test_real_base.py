"""A base that somebody else trained: one short tune from rows to verdict, and a folder that plain PEFT opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import whet

STEPS = 5
INTENTS = {
    "refund": ("I want my money back for the {}.", "Please refund the {}."),
    "delivery": ("Where is my {}?", "The {} has not come yet."),
    "repair": ("The {} is broken.", "My {} no longer works."),
    "praise": ("I love the {}.", "The {} is great, thank you."),
}
THINGS = ("kettle", "lamp", "tent", "drill", "chair", "coat", "phone", "bag", "book", "bell", "fan", "rug", "pen")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, real_base: Path) -> tuple[Path, dict[str, Any]]:
    """Which intent a short message has, from some 90 rows; the run's folder and its result."""
    folder = tmp_path_factory.mktemp("real")
    asked = [(words, label) for label, both in INTENTS.items() for words in both]
    rows = [{"text": words.format(thing), "label": label} for words, label in asked for thing in THINGS]
    data = folder / "intents.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"steps": STEPS, "batch_tokens": 192, "split.test": 10, "split.validation": 5, "evaluate.every": STEPS}
    settings |= {"dtype": "float32", "evaluate.forgetting": False, "split.near_duplicates": False}
    # All opponents are asked in test_opponents.py; what a tune replays of its base's own words, in test_keep.py
    settings |= {"evaluate.against": ["base"], "keep": False}
    result = whet.tune(str(data), run_root=folder / "runs", base=str(real_base), **settings)
    return folder / "runs" / result["run"], result


def test_a_real_base_learns_and_gets_a_verdict(tuned: tuple[Path, dict[str, Any]]) -> None:
    run, result = tuned
    assert result["ledger"]["trained"] + sum(result["ledger"]["held_out"].values()) == len(INTENTS) * 2 * len(THINGS)
    assert result["verdict"]["word"] in ("better", "worse", "no-difference", "undecided")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == STEPS and losses[-1] < 0.7 * losses[0]
    held_out = [line["validation_loss"] for line in lines if "validation_loss" in line]
    assert held_out[-1] < 0.7 * held_out[0]
    assert result["tuned"]["nll_per_token"] < 0.7 * result["base"]["nll_per_token"]


def test_plain_peft_opens_the_adapter_of_a_real_base(tuned: tuple[Path, dict[str, Any]], real_base: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run, _ = tuned
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    base = AutoModelForCausalLM.from_pretrained(real_base, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, str(run / "model"))
    row = json.loads((run / "answers.jsonl").read_text().splitlines()[0])
    asked = [{"role": "user", "content": row["prompt"]}] if isinstance(row["prompt"], str) else row["prompt"]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        found = model.generate(**ids, max_new_tokens=12, do_sample=False)
    answer = tokenizer.decode(found[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    assert answer.strip() == row["tuned"].strip()
