"""How a run was checked, where it ran, and what it takes to get the same numbers once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from whet.errors import count
from whet.evaluation.facts import Evaluation
from whet.reports.section import Section
from whet.reports.sheet import Sheet, pairs
from whet.text.wording import flatten, on_gpu

if TYPE_CHECKING:
    from whet.store.environment import EnvironmentFacts

GPU_MAY = "Another kind of GPU, or other versions, round otherwise, and their result differs in its last digits."


class CheckedView(TypedDict):
    same_again: str
    checks: Sheet | None
    machine: Sheet | None


def checked_view(
    selfcheck: Mapping[str, Any], environment: EnvironmentFacts, evaluation: Evaluation
) -> CheckedView | None:
    """Every fact of the self-check and of the machine; None if the run wrote neither down."""
    checks = pairs(flatten(selfcheck), ("check", "found"))
    machine = pairs(flatten(environment), ("key", "value"))
    if not (checks or machine):
        return None
    return {"same_again": same_again(evaluation), "checks": checks, "machine": machine}


def same_again(evaluation: Evaluation) -> str:
    """What it takes to get the same numbers once more; empty if the run did not write down how it was trained."""
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
