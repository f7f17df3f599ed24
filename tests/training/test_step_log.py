"""Tokens a second: one definition, in each step, in the summary and in training.json."""

from __future__ import annotations

from typing import Any

import pytest

from whet.cli.progress import describe
from whet.observer import Silent
from whet.text.wording import format_effort
from whet.training.step_log import StepLog


class Logged:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def log(self, facts: dict[str, Any]) -> None:
        self.lines.append(facts)

    def expected(self, step: int) -> int:
        return step


def test_the_summary_says_what_the_steps_showed() -> None:
    made = Logged()
    log = StepLog(made, Silent(), made, writes=False)  # type: ignore[arg-type]
    for step, (tokens, seconds) in enumerate([(4000, 1.0), (4000, 1.0), (2000, 0.5)]):
        log(step, {"tokens": tokens, "seconds": seconds, "tokens_per_second": tokens / seconds})
    assert log.tokens_per_second == pytest.approx(4000) == made.lines[0]["tokens_per_second"]
    whole = {"seconds": 60.0, "tokens_per_second": log.tokens_per_second}  # loading and validation took 57.5 of these
    assert "4,000 tokens/s in its steps" in format_effort(whole) and describe(made.lines[0]) == "4,000 tokens/s"
    assert StepLog(made, Silent(), made, writes=False).tokens_per_second == 0  # type: ignore[arg-type]
