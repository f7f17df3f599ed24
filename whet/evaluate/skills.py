"""The skill suite of a base: small checkable tasks that ship with it as skills.jsonl. The bundled base has one.

A line holds {"skill", "messages", "answer"}; an answer counts when it is exactly the reference (white space aside).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from whet.doctor.power import ALPHA
from whet.types import Answer, Difference

SUITE = "skills.jsonl"
TOKENS = 80
"""Longest answer of the suite, with room to spare."""


def load_suite(base_folder: str) -> list[dict[str, Any]]:
    """The items of the base's suite; empty when it has none."""
    path = Path(base_folder) / SUITE
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def hits(items: list[dict[str, Any]], answers: list[Answer]) -> list[float]:
    """1.0 for each item that was answered exactly."""
    return [
        float(" ".join(answer.text.split()) == " ".join(item["answer"].split()))
        for item, answer in zip(items, answers, strict=True)
    ]


def grade(items: list[dict[str, Any]], answers: list[Answer]) -> dict[str, dict[str, float]]:
    """{skill: {"score": share right, "rows": n}}."""
    right: dict[str, list[float]] = {}
    for item, hit in zip(items, hits(items, answers), strict=True):
        right.setdefault(item["skill"], []).append(hit)
    return {skill: {"score": sum(found) / len(found), "rows": len(found)} for skill, found in sorted(right.items())}


def state(difference: Difference) -> str:
    """What became of the suite as a whole, in one sentence."""
    estimate, low, high = (round(100 * value) for value in (difference.estimate, difference.low, difference.high))
    change = f"{estimate:+d} points (95% interval {low:+d} to {high:+d}) on its {difference.rows} tasks"
    if lost(difference):
        return f"The base's own skills were lost in part: {change}, which are not what it was tuned for."
    return f"The base's own skills: {change}."


def lost(difference: Difference) -> bool:
    """Has the suite as a whole become significantly worse?"""
    return difference.p < ALPHA and difference.estimate < 0
