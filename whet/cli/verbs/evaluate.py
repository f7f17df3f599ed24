"""`whet eval`: measures a run on its held-out rows."""

from __future__ import annotations

from typing import Annotated

import typer

from whet.cli.importing import STARTING, without_garbage_collection
from whet.cli.options import RUNS, AcceptChanged, Gate, Json, RunName, Runs, Trust


def evaluate(
    run: RunName,
    runs: Runs = RUNS,
    accept_changed: AcceptChanged = False,
    gate: Gate = False,
    anew: Annotated[bool, typer.Option("--anew", help="Measure again though nothing has changed.")] = False,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Measure base and tuned model on the rows that were held out, and give a verdict.

    What was measured already is not measured again while model, test rows and settings are the same.

    Example: whet eval tickets-1a2b3c4d --gate
    """
    from whet.cli.progress import watching
    from whet.cli.render import Screen
    from whet.cli.render import result as show_result
    from whet.cli.verbs.tune import end
    from whet.store.model_registry import find_run

    screen = Screen(json_)
    opened = find_run(run, runs)
    with watching(STARTING) as watch:
        with without_garbage_collection():
            from whet import api

        result = api.evaluate(opened, observer=watch, accept_changed=accept_changed, anew=anew)

    show_result(screen, result)
    end(screen, result, gate)
