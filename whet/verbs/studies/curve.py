"""Would more rows help? A run for each share of the training rows, and a forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.data.prepare import prepared_of
from whet.evaluation.studies.curve_runs import (
    measure_curve,
    recipe_for_share,
    refuse_no_curve,
    refuse_other_scores,
    reuse_judgements,
)
from whet.evaluation.studies.learning_curve import SHARES
from whet.evaluation.studies.unit_scores import refuse_other_scale
from whet.observer import Observer, Silent
from whet.recipe.keywords import in_python
from whet.reports.curve_picture import svg
from whet.reports.report import write_report
from whet.reports.result import CurveResult
from whet.stats.paired import clusters_of
from whet.store.atomic import write_text
from whet.store.run import DEFAULT_ROOT, Run
from whet.verbs.inputs import Input, read_data, recipe_of
from whet.verbs.steps.main_job import finish_run
from whet.verbs.steps.stages import register


@in_python
def curve(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    out: Path | str | None = None,
    **overrides: Any,
) -> CurveResult:
    """Tune on an eighth, a quarter, half and all of the training rows, and forecast what twice as many would bring.

    Each share is a run of its own, and the smaller ones lie in the larger; all are measured on the same test rows. The
    run of all rows is the one that `tune` makes, and keeps curve.json and curve.svg. `out` is another name of
    `run_root`.
    """
    run_root = run_root if out is None else out
    recipe, observer = recipe_of(data, overrides, run_root), observer or Silent()
    source = read_data(recipe, run_root, observer)
    refuse_no_curve(recipe, source.ledger.summary()["trained"])
    refuse_other_scale(recipe.evaluate.metric, prepared_of(source).test_rows, "a learning curve is drawn over shares")
    whole = Run.create(Path(run_root), recipe, name)

    runs = []
    for share in sorted(SHARES, reverse=True):
        observer.note(f"training on {share:.3g} of the training rows")
        if share == 1:
            run = whole
        else:
            run = Run.create(Path(run_root), recipe_for_share(recipe, share), f"{whole.name}-{share:g}")
            reuse_judgements(whole, run)

        result, fresh = finish_run(run, observer)
        runs.append((run, result))

        if run is whole:
            if fresh:
                register(whole, result, Path(run_root), observer)
            refuse_other_scores(whole, result["metric"]["name"])

    facts = measure_curve(runs[::-1], clusters_of(source.test_rows), recipe.seed)
    whole.write_json("curve.json", facts)
    write_text(whole.folder / "curve.svg", svg(facts))
    write_report(whole)

    return CurveResult(facts | {"run": whole.name, "picture": str(whole.folder / "curve.svg")})
