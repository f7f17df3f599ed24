"""`whet failures`: which kinds of validation rows the tuned model fails on, and what to collect."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, RunName, Runs, Trust

if TYPE_CHECKING:
    from whet.evaluation.studies.failures import FailureList


def failures(run: RunName, runs: Runs = RUNS, trust: Trust = False, json_: Json = False) -> None:
    """Say where the tuned model fails on the validation rows, which training rows are near, and what to collect.

    The test rows are not looked at: who collects by them has no test any more. Writes failures.json and collect.md
    into the run.

    Example: whet failures tickets-1a2b3c4d
    """
    with without_garbage_collection():
        from whet import api
    from whet.cli.progress import watching
    from whet.cli.render import Screen
    from whet.reports.collection_list import headline
    from whet.store.model_registry import find_run

    screen = Screen(json_)
    opened = find_run(run, runs)
    with watching() as watch:
        result = api.failures(opened, observer=watch)

    screen.say(headline(cast("FailureList", result)), style="bold")
    for kind in result["kinds"]:
        screen.say(f"  {kind['sentence']}")

    screen.say(f"rows and their neighbours: {result['list']}")
    screen.finish(result)
