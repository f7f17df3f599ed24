"""The lines of a run's metrics.jsonl, step by step, in OpenAI's words; and the result file made of them.

A run writes a line for each step, counted from 0, and one for each validation, counted by the steps made before it.
Whet validates on the whole validation part each time, so `valid_loss` and `full_valid_loss` are one number. A share of
right tokens is not measured, and its cells stay empty; `valid_accuracy` is the share of rows that are right.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIRST = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
"""The columns of OpenAI's result file, in its order."""
FURTHER = (
    "full_valid_loss", "full_valid_mean_token_accuracy", "valid_accuracy", "valid_reward", "train_reward",
    "learning_rate", "grad_norm", "tokens", "seconds",
)  # fmt: skip
VALIDATION = "validation_"


@dataclass(slots=True)
class Step:
    """One step, counted from 1, with the validation after it, where there was one."""

    number: int
    training: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)

    def metrics(self) -> dict[str, Any]:
        """As events and checkpoints tell them; what was not measured is None."""
        loss = self.validation.get("validation_loss")
        told: dict[str, Any] = {
            "step": self.number,
            "train_loss": self.training.get("loss"),
            "train_mean_token_accuracy": None,
            "valid_loss": loss,
            "valid_mean_token_accuracy": None,
            "full_valid_loss": loss,
            "full_valid_mean_token_accuracy": None,
        }
        more = {
            "valid_accuracy": self.validation.get("validation_accuracy"),
            "valid_reward": self.validation.get("validation_reward"),
            "train_reward": self.training.get("reward"),
        }
        return told | {key: value for key, value in more.items() if value is not None}

    def message(self, total: int) -> str:
        """`Step 3/300: training loss=0.15, validation loss=0.27`"""
        facts = self.metrics()
        names = {
            "train_loss": "training loss",
            "train_reward": "training reward",
            "valid_loss": "validation loss",
            "full_valid_loss": "full validation loss",
            "valid_reward": "validation reward",
        }
        told = [f"{words}={facts[key]:.2f}" for key, words in names.items() if facts.get(key) is not None]
        return f"Step {self.number}/{total}: {', '.join(told)}"


def read_steps(path: Path) -> list[Step]:
    """Of a run that may be at work: a last line that is not whole yet is left out."""
    if not path.exists():
        return []
    steps: dict[int, Step] = {}
    for line in path.read_bytes().split(b"\n")[:-1]:
        facts = json.loads(line)
        held_out = any(key.startswith(VALIDATION) for key in facts)
        number = facts["step"] + (not held_out)
        step = steps.setdefault(number, Step(number))
        if held_out:
            step.validation = facts
        else:
            step.training = facts
    return [steps[number] for number in sorted(steps) if number and steps[number].training]


def result_file(steps: list[Step]) -> bytes:
    """CSV: OpenAI's five columns first, then what else was measured."""
    text = io.StringIO()
    table = csv.DictWriter(text, [*FIRST, *FURTHER], extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for step in steps:
        table.writerow({**step.training, **step.metrics(), "train_accuracy": None})
    return text.getvalue().encode()


def trained_tokens(steps: list[Step]) -> int:
    return int(sum(step.training.get("tokens", 0) for step in steps))
