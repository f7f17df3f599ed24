"""The skill suite of a base: small checkable tasks that ship with it as skills.jsonl. The bundled base has one.

A line holds {"skill", "messages", "answer"}; an answer counts if it is exactly the reference (white space aside).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from whet.types import Completion

SUITE = "skills.jsonl"
TOKENS = 80
"""Longest answer of the suite, with room to spare."""


def load_suite(base_folder: str) -> list[dict[str, Any]]:
    """The items of the base's suite; empty when it has none."""
    path = Path(base_folder) / SUITE
    if not path.is_file():
        return []
    lines = path.read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def hits(items: list[dict[str, Any]], answers: list[Completion]) -> list[float]:
    """1.0 for each item that was answered exactly."""
    right = []
    for item, answer in zip(items, answers, strict=True):
        right.append(float(answer.text.split() == item["answer"].split()))
    return right


def grade(items: list[dict[str, Any]], answers: list[Completion]) -> dict[str, dict[str, float]]:
    """{skill: {"score": share right, "rows": n}}."""
    right: dict[str, list[float]] = {}
    for item, hit in zip(items, hits(items, answers), strict=True):
        right.setdefault(item["skill"], []).append(hit)

    scores = {}
    for skill, hits_of_skill in sorted(right.items()):
        scores[skill] = {"score": sum(hits_of_skill) / len(hits_of_skill), "rows": len(hits_of_skill)}
    return scores
