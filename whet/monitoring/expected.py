"""What is known of a model before it is used: the prompts it learned from, and how it answered its test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whet.types import Message


@dataclass(frozen=True, slots=True)
class Expected:
    prompts: Sequence[str] = ()
    """What was asked last in each training row."""
    labels: Sequence[str] = ()
    """All that the training rows have, where answers are labels."""
    metric: str | None = None
    """By which the test rows were scored."""
    answers: Sequence[str] = ()
    """To the test rows."""
    scores: Sequence[float] = ()
    """Of those answers."""
    references: Sequence[str] = ()
    """Of the test rows."""
    tests: Sequence[Sequence[Message]] = ()
    """The test rows, with their answers."""


def answered(
    lines: Sequence[Mapping[str, Any]], metric: str | None, prompts: Sequence[str], labels: Sequence[str]
) -> Expected:
    """From the lines of answers.jsonl. Methods that write no answers have none."""
    told = [line for line in lines if isinstance(line.get("tuned"), str)]
    return Expected(
        prompts=prompts,
        labels=labels,
        metric=metric,
        answers=[line["tuned"] for line in told],
        scores=[float(line["tuned_score"]) for line in told if isinstance(line.get("tuned_score"), int | float)],
        references=[str(line.get("reference", "")) for line in told],
        tests=[_conversation(line) for line in told],
    )


def _conversation(line: Mapping[str, Any]) -> list[Message]:
    prompt: list[Message] = line.get("prompt") or []
    return [*prompt, {"role": "assistant", "content": str(line.get("reference", ""))}]
