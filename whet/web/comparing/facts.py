"""Runs beside each other: what differs in their recipes, what they scored, what they took, and their losses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.server.errors import ApiError
from whet.server.jobs.children.metrics import read_steps
from whet.store.run import METRICS, Run
from whet.text.dotted import dotted
from whet.text.numbers import format_range, format_rough_duration, format_score
from whet.web.asked import Asked

LEAST, MOST, MOST_KEYS = 2, 50, 24
LEFT_OUT = ("name",)


@dataclass(frozen=True, slots=True)
class Compared:
    name: str
    keys: list[str]
    """Its values of the keys that differ, in their order."""
    score: str
    verdict: str
    forgetting: str
    seconds: str
    order: tuple[bool, float]


def runs_of(asked: Asked, names: list[str]) -> list[Run]:
    """Raises ApiError 400, 404."""
    names = list(dict.fromkeys(names))
    if not LEAST <= len(names) <= MOST:
        what = f"Mark {LEAST} to {MOST} runs on the page of runs: {len(names)} are marked."
        raise ApiError(400, what, code="invalid_value", param="run")
    return [asked.run(name) for name in names]


def compared(runs: list[Run]) -> tuple[list[str], list[Compared], int]:
    """Keys that differ, the runs with the best score first, and how many differing keys are not shown."""
    recipes = [_values(run) for run in runs]
    keys = sorted({key for recipe in recipes for key in recipe if key.split(".")[0] not in LEFT_OUT})
    differ = [key for key in keys if len({recipe.get(key, "") for recipe in recipes}) > 1]
    shown = differ[:MOST_KEYS]
    found = [_compared(run, [recipe.get(key, "") for key in shown]) for run, recipe in zip(runs, recipes, strict=True)]
    return shown, sorted(found, key=lambda one: one.order, reverse=True), len(differ) - len(shown)


def _values(run: Run) -> dict[str, str]:
    return {key: _said(value) for key, value in dotted(run.recipe.model_dump()).items()}


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _compared(run: Run, values: list[str]) -> Compared:
    path = run.folder / "evaluation.json"
    facts: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    tuned = facts.get("tuned") or {}
    score, scale, interval = tuned.get("score"), facts.get("scale"), tuned.get("interval") or (None, None)
    told = "not measured"
    if score is not None:
        told = f"{format_score(score, scale)} ({format_range(interval[0], interval[1], scale)})"
    forgetting = facts.get("forgetting") or {}
    seconds = facts.get("seconds")
    return Compared(
        run.name,
        values,
        told,
        (facts.get("verdict") or {}).get("word", ""),
        forgetting.get("sentence") or "not measured",
        format_rough_duration(seconds) if isinstance(seconds, int | float) else "",
        (score is not None, score or 0.0),
    )


def losses(runs: list[Run]) -> list[dict[str, Any]]:
    """Validation losses over the steps of all; runs without one are left out."""
    lines: dict[str, dict[int, float]] = {}
    for run in runs:
        steps = read_steps(Path(run.folder) / METRICS)
        held = {one.number: one.validation["validation_loss"] for one in steps if "validation_loss" in one.validation}
        if held:
            lines[run.name] = held
    x = sorted({step for line in lines.values() for step in line})
    plot = {"name": "loss", "x": x, "lines": [{"label": n, "y": [y.get(s) for s in x]} for n, y in lines.items()]}
    return [plot] if x else []
