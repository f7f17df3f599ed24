"""The demo's rows, and a service that trains a model which answers them right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launcher_service import FineTuning, serving
from tests.notes import Notes
from whet.demo_data.support_desk import generate
from whet.launcher.tuning import tune_at
from whet.reports.result import RunResult

ROWS = generate(300, seed=3)
KNOWN = {row["prompt"]: row["completion"] for row in ROWS}
Tune = Callable[..., RunResult]


def trained(model: str, messages: list[dict[str, Any]]) -> str:
    """A tuned model knows every answer, a base none."""
    return KNOWN.get(messages[-1]["content"], "{}") if model.startswith("ft:") else "How can I help you?"


@pytest.fixture
def service() -> Iterator[FineTuning]:
    for made in serving():
        made.says = trained
        yield made


@pytest.fixture
def notes() -> Notes:
    return Notes()


def write_rows(folder: Path, number: int) -> Path:
    path = folder / "tickets.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:number]), "utf-8")
    return path


@pytest.fixture
def tune(tmp_path: Path, service: FineTuning, notes: Notes) -> Tune:
    """Tunes few rows at the service, against its base alone, without waiting; keys of the recipe are keywords."""
    data = write_rows(tmp_path, 60)

    def tuned(keys: dict[str, Any] | None = None, **given: Any) -> RunResult:
        recipe = {"data": str(data), "evaluate": {"against": ["base"]}, **(keys or {})}
        given = {"url": service.url, "run_root": tmp_path / "runs", "observer": notes, "sleep": lambda _: None} | given
        return tune_at(recipe, **given)

    return tuned
