"""`whet curve` hands its recipe on, shows each point, the forecast and what it means, and prints one object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whet.cli.main import run
from whet.recipe.schema import Recipe

FACTS: dict[str, Any] = {
    "points": [{"rows": 1250, "score": 0.625, "low": 0.5, "high": 0.75, "run": "tickets-0.5", "share": 0.5}],
    "next": {"rows": 5000, "score": 0.81, "low": 0.7, "high": 0.9},
    "metric": {"name": "json", "reason": "every answer is an object"},
    "sentence": "More data helps.",
    "picture": "runs/tickets/curve.svg",
}


def test_the_curve_is_shown_and_printed(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def curve(recipe: Recipe, run_root: Path, name: str | None, observer: Any) -> dict[str, Any]:
        asked.append((recipe, run_root, name))
        return FACTS

    api.curve = curve
    assert run(["curve", "tickets.jsonl", "--set", "epochs=2", "--name", "mine", "--runs", "here"]) == 0
    assert asked == [(Recipe(data="tickets.jsonl", epochs=2), Path("here"), "mine")]
    shown = capsys.readouterr().out
    for words in ("1,250", "62.5%", "50.0 to 75.0", "5,000", "81.0%", "forecast", "More data helps.", "curve.svg"):
        assert words in shown
    assert run(["curve", "tickets.jsonl", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == FACTS and "More data helps." in err
