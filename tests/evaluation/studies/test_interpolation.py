"""The second try stands at the farthest point that keeps enough, and nowhere where nothing of the task is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.evaluation.made_up_contest import made_up_contest
from whet.evaluation.forgetting.measure_kinds import choosing_texts
from whet.evaluation.studies import interpolation as nearer
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe

RISE = 0.1
"""Of the loss on general text at the tuned model."""


class Line:
    """A model whose loss on general text rises with the square of the way, whose skills fall, and that does its
    task from `begins` on."""

    def __init__(self, begins: float, fall: float) -> None:
        self.begins, self.fall, self.scale = begins, fall, 1.0
        self.asked: list[float] = []

    @contextmanager
    def at(self, scale: float) -> Iterator[None]:
        self.scale = scale
        yield
        self.scale = 1.0

    def nats(self) -> list[tuple[float, int]]:
        return [(len(text) * (1 + RISE * self.scale**2), 9) for text in choosing_texts()]

    def right(self, asked: list[Any]) -> float | None:
        return 0.7 - self.fall * self.scale if asked else None

    def task(self, rows: list[Any], name: str) -> float | None:
        self.asked.append(self.scale)
        return float(self.scale >= self.begins) if rows else None


def chosen(
    patch: pytest.MonkeyPatch, line: Line, below: float = 1.0, rows: int = 5, prompts: int = 0, **budgets: float
) -> dict[str, Any]:
    patch.setattr(nearer, "_Reader", lambda *_: line)
    patch.setattr(nearer, "_task_rows", lambda *_: ([None] * rows, "exact-match" if rows else ""))
    patch.setattr(nearer, "_general", lambda *_: [None] * prompts)
    recipe: Recipe = load_recipe({"data": "d.jsonl", "forgetting": budgets})
    return nearer.choose_nearer(made_up_contest(recipe, [], None), below)


def test_it_is_the_farthest_point_whose_interval_lies_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(begins=0.3, fall=0.0)
    found = chosen(monkeypatch, line, text=0.04)
    assert found["scale"] == 0.6, "0.1 x 0.6^2 = 3.6%, and 0.1 x 0.7^2 = 4.9%"
    assert [point["scale"] for point in found["points"]] == [0.9, 0.8, 0.7, 0.6]
    assert [point["text"] for point in found["points"]] == pytest.approx([0.081, 0.064, 0.049, 0.036])
    assert line.asked == [0.0, 0.6], "the task is asked of the base, and where enough is kept"


def test_another_try_begins_below_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, Line(0.3, 0.0), below=0.6, text=0.04)["scale"] == 0.5


def test_skills_that_fell_too_far_send_it_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(begins=0.1, fall=0.2)
    assert chosen(monkeypatch, line, prompts=50, text=0.04, score=0.11)["scale"] == 0.5
    assert chosen(monkeypatch, line, prompts=0, text=0.04, score=0.11)["scale"] == 0.6


def test_there_is_none_where_nothing_of_the_task_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    found = chosen(monkeypatch, Line(begins=0.7, fall=0.0), text=0.04)
    assert found["scale"] is None and "nothing of the task is left" in found["why"]
    found = chosen(monkeypatch, Line(begins=0.7, fall=0.0), rows=0, text=0.04)
    assert found["scale"] == 0.6, "where no row can tell, the texts alone decide"


def test_there_is_none_where_no_point_keeps_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = chosen(monkeypatch, Line(begins=0.1, fall=0.0), text=0.001)
    assert found["scale"] is None and "no point" in found["why"] and len(found["points"]) == len(nearer.SCALES)
