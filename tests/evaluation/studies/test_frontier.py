"""Which point of the way is taken, and what the drawing shows."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from whet.cli.render import Screen
from whet.cli.verbs.frontier import show
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.studies import frontier
from whet.evaluation.studies.frontier import Estimate, Point, choose
from whet.recipe.schema import Recipe
from whet.reports.frontier_chart import draw
from whet.types import Row


def point(scale: float, task: float, general: float) -> Point:
    return Point(scale, Estimate(task, task - 0.05, task + 0.05), Estimate(general, general - 0.05, general + 0.05))


def curve(*pairs: tuple[float, float]) -> list[Point]:
    return [point(n / (len(pairs) - 1), *pair) for n, pair in enumerate(pairs)]


@pytest.mark.parametrize(
    ("points", "scale", "why"),
    [
        (curve((0, 0.8), (0.5, 0.79), (0.9, 0.78)), 1.0, "within 5 points"),
        (curve((0, 0.8), (0.9, 0.76), (0.95, 0.3)), 0.5, "within 5 points"),
        (curve((0, 0.8), (0.9, 0.79), (0.9, 0.79)), 0.5, "within 5 points"),
        (curve((0, 0.8), (0.6, 0.6), (0.9, 0.1)), 0.5, "best mean"),
        (curve((0, 0.8), (0.2, 0.4), (0.9, 0.3)), 1.0, "best mean"),
        (curve((0.3, 0.8), (0.3, 0.9), (0.1, 0.3)), 0.0, "no point scores better on the task"),
    ],
)
def test_the_best_task_score_within_the_budget_is_taken(points: list[Point], scale: float, why: str) -> None:
    chosen, reason = choose(points, 0.05)
    assert chosen.scale == scale and why in reason


def test_the_drawing_is_one_valid_svg_with_every_point_and_no_markup_of_others() -> None:
    points = curve((0, 0.8), (0.5, 0.75), (0.9, 0.3))
    facts = {"points": [asdict(one) for one in points], "metric": {"name": "<b>&"}, "budget": 0.1, "scale": 0.5}
    root = ElementTree.fromstring(draw(facts))
    circles = root.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 3 and sum(circle.get("r") == "7" for circle in circles) == 1
    assert "<b>" not in draw(facts)
    for circle in circles:
        assert 0 <= float(circle.get("cx") or -1) <= 560 and 0 <= float(circle.get("cy") or -1) <= 400


def test_a_frontier_that_ends_at_the_base_offers_no_release_and_shows_no_folders() -> None:
    points = [asdict(one) for one in curve((0, 0.8), (0, 0.4), (0, 0.3))]
    facts = {"points": points, "metric": {"name": "/home/me/own.py:stars"}, "budget": 0.1, "scale": 0.0}
    more = {"rows": 4, "general_rows": 8, "general": "held-out prompts", "why": "it is the best", "svg": "f.svg"}
    screen = Screen(True)
    with screen.console.capture() as said:
        show(screen, facts | more, "desk")
    assert "nothing to release" in said.get() and "--take" not in said.get()
    assert "/home/me" not in said.get() + draw(facts) and "own.py:stars" in draw(facts)


def test_a_scale_is_chosen_by_the_metric_of_the_verdict() -> None:
    """Long test answers are measured by ROUGE-L, and so are the validation rows, whose own answers are short."""

    def row(index: int, answer: str) -> Row:
        said = [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}]
        return Row(index, f"row {index}", messages=said)

    rows = [row(n, f"answer {n}") for n in range(8)]
    sealed = [row(n, f"a long answer to question {n}, " * 12) for n in range(8)]
    prepared: Any = SimpleNamespace(test_rows=sealed)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(frontier, "read_rows", lambda *_: rows)
        _, name, reason = frontier.task_rows(Recipe(data="d.jsonl"), prepared)
    assert (name, reason) == metric.choose(sealed) and name != metric.choose(rows)[0]
