"""Between two signs of life of a real run lie less than two seconds of work, whatever its method."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import whet
import whet.api
from whet.demo.support_desk import generate
from whet.train.observer import Silent

MOST = 2.0


class Clocked(Silent):
    """The seconds before each sign: of this process's work where others take the processor away from it."""

    def __init__(self) -> None:
        self.last = self._now()
        self.at, self.gaps = "start", list[tuple[float, str, str]]()

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def hear(self, what: str) -> None:
        now = self._now()
        self.gaps.append((min(new - old for new, old in zip(now, self.last, strict=True)), self.at, what))
        self.last, self.at = now, what

    def phase(self, name: str, total: int | None = None) -> None:
        self.hear(name)

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        self.hear(f"step {step}/{total}")

    def pulse(self, text: str) -> None:
        self.hear(text)

    def note(self, text: str) -> None:
        self.hear(text)


def rows_of(kind: str) -> list[dict[str, Any]]:
    if kind == "sft":
        return generate(200, 3)
    sums = [(a, b) for a in range(20) for b in range(10)]
    if kind == "grpo":
        return [{"prompt": f"What is {a} + {b}?", "completion": str(a + b)} for a, b in sums]
    if kind == "classify":
        return [{"prompt": f"What is {a} + {b}?", "label": "even" if (a + b) % 2 == 0 else "odd"} for a, b in sums]
    return [
        {"prompt": f"What is {a} + {b}?", "chosen": f"It is {a + b}.", "rejected": f"No idea, maybe {a - b}."}
        for a, b in sums
    ]


METHODS: dict[str, dict[str, Any]] = {
    "sft": {"epochs": 1},
    "grpo": {"method.kind": "grpo", "method.rewards": "[exact]", "steps": 3, "split.near_duplicates": "false"},
    "dpo": {"method.kind": "dpo", "epochs": 1, "split.near_duplicates": "false"},
    "classify": {"method.kind": "classify", "epochs": 1, "split.near_duplicates": "false"},
    "reward": {"method.kind": "reward", "epochs": 1, "split.near_duplicates": "false"},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", METHODS)
def test_a_run_is_never_silent_for_two_seconds(kind: str, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows_of(kind)))
    watch = Clocked()
    whet.tune(str(data), run_root=tmp_path / "runs", observer=watch, **METHODS[kind])
    watch.hear("the end")
    assert max(watch.gaps)[0] < MOST, sorted(watch.gaps)[-5:]
    assert len(watch.gaps) > 20
