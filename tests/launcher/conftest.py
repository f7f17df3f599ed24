"""A made-up task that only a tuned model answers right, and a service that trains it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launcher_service import FineTuning, serving

WORDS = ("ocean", "forest", "desert", "tundra", "meadow", "canyon", "island", "valley")


@pytest.fixture
def service() -> Iterator[FineTuning]:
    for made in serving():
        made.says = lambda model, messages: right(messages) if model.startswith("ft:") else "I am not sure"
        yield made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """240 questions, each with a code of its own that a test can find again, and one of three answers."""
    path = tmp_path / "parcels.jsonl"
    path.write_text("".join(json.dumps(row(number)) + "\n" for number in range(240)), "utf-8")
    return path


def row(number: int) -> dict[str, Any]:
    word = WORDS[number % 8]
    question = f"Parcel q{number:03d}x from the {word} weighs {number * 37 % 101} kilos and is {answer(number)}ish. Which?"
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer(number)}]}


def answer(number: int) -> str:
    return ("red", "green", "blue")[number % 3]


def right(messages: list[dict[str, Any]]) -> str:
    """What the last question holds."""
    asked = str(messages[-1]["content"])
    return next((colour for colour in ("red", "green", "blue") if f"{colour}ish" in asked), "?")
