"""How a run was checked, where it ran, and what it takes to get the same numbers once more."""

from __future__ import annotations

from typing import Any

from whet.errors import count
from whet.reports.section import Section
from whet.reports.sheet import pairs
from whet.text.wording import flatten, on_gpu

GPU_MAY = "Another kind of GPU, or other versions, round otherwise, and their result differs in its last digits."


def checked_view(
    selfcheck: dict[str, Any], environment: dict[str, Any], evaluation: dict[str, Any]
) -> dict[str, Any] | None:
    """Every fact of the self-check and of the machine; None where the run wrote neither down."""
    checks = pairs(flatten(selfcheck), ("check", "found"))
    machine = pairs(flatten(environment), ("key", "value"))
    if not (checks or machine):
        return None
    return {"same_again": same_again(evaluation), "checks": checks, "machine": machine}


def same_again(evaluation: dict[str, Any]) -> str:
    """What it takes to get the same numbers once more; empty where the run did not write down how it was trained."""
    if on_gpu(evaluation):
        return f"Trained on a GPU. {GPU_MAY}"

    threads = evaluation.get("threads")
    if not isinstance(threads, int):
        return ""

    if threads == 1:
        other = "two threads give"
    else:
        other = "one thread gives"

    return (
        f"Trained on {count(threads, 'thread')}. Another number of threads adds sums in another order: {other} another "
        "result, and a few other answers. OMP_NUM_THREADS sets it."
    )


SECTION = Section(
    key="checked",
    title="Checks and machine",
    after="recipe",
    reads=("selfcheck.json", "environment.json", "evaluation.json"),
    view=checked_view,
)
