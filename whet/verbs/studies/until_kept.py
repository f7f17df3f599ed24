"""A second try nearer to the base, where a tuned model got better at its task and lost too much elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.methods import method_of
from whet.model.saved_model import read_facts
from whet.observer import Observer, Silent
from whet.recipe.conflicts.keep import no_nearer
from whet.reports.result import RunResult
from whet.store import model_registry
from whet.store.run import Run
from whet.training.session import open_session
from whet.verbs.steps.stages import choose_nearer_point
from whet.verbs.studies.part_of_the_way import IS_INTERPOLATED
from whet.verbs.studies.take import take

TRIES = 2
"""Second tries at most: each is looked at on the test rows once more, and a third would be fishing."""


def until_kept(result: RunResult, run_root: Path | str, observer: Observer | None = None) -> RunResult:
    """The result, or where a budget is broken or unclear that of a point nearer to the base: nothing is trained again.

    `tries` of the result names each run with its scale and its answer, the first one included.
    """
    observer = observer or Silent()
    trained_run = model_registry.find_run(str(result["run"]), run_root)
    scale = 1.0
    tries = [_try_facts(result, scale)]

    while _forgot(result) and len(tries) <= TRIES:
        if why := _no_second_try(trained_run):
            observer.note(f"no second try: {why}")
            break

        with trained_run.reading():
            session = open_session(trained_run.recipe, trained_run, method_of, observer)
            point = choose_nearer_point(session, scale, observer)

        if point["scale"] is None:
            observer.note(f"no second try: {point['why']}")
            break

        scale = float(point["scale"])
        observer.note(f"second try, {scale:g} of the way from base to tuned: {point['why']}")
        result = take(trained_run, scale, run_root, observer)
        tries.append(_try_facts(result, scale))

    return RunResult(result | {"tries": tries}, result.folder)


def _forgot(result: dict[str, Any]) -> bool:
    """Better at its task, and over a budget elsewhere, or perhaps."""
    decision = result["ship"]
    return result["verdict"]["word"] == "better" and bool(decision["broken"] or decision["unclear"])


def _no_second_try(run: Run) -> str:
    """Why there is no point nearer to the base to take; empty where there is one."""
    if why := no_nearer(run.recipe):
        return why
    if "scale" in read_facts(run.model):
        return IS_INTERPOLATED
    return ""


def _try_facts(result: dict[str, Any], scale: float) -> dict[str, Any]:
    return {"run": result["run"], "scale": scale, "answer": result["ship"]["answer"]}
