"""The answers in docs/running/planning.md are those that the planner gives today."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.plan_field import gpt3_table, memory_table, suggestion_table

PAGE = (Path(__file__).parents[2] / "docs" / "running" / "planning.md").read_text("utf-8")


@pytest.mark.parametrize("table", [memory_table, suggestion_table, gpt3_table])
def test_the_page_shows_the_planners_answers(table: Callable[[], str]) -> None:
    assert table() in PAGE, "run python -m bench.plan_field and put its tables into docs/running/planning.md"
