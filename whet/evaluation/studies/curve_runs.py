"""The runs of a learning curve: which recipes have one, the recipe of a share, their scores on the same rows, and the
curve that was drawn of some data before."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from whet.errors import InputError, RunError, RunFolderError
from whet.evaluation.studies.learning_curve import SHARES, CurveFacts, forecast
from whet.recipe.schema import Recipe
from whet.recipe.sections.keep import Forgetting
from whet.store.atomic import new_folder
from whet.store.identity import data_hash
from whet.store.reading import read_json_file, read_lines
from whet.store.run import JUDGED, Run

LEAST_ROWS = 32
"""Training rows: an eighth of fewer is hardly a sample."""


def refuse_no_curve(recipe: Recipe, rows: int) -> None:
    """Before anything is trained. Raises InputError for a recipe whose scores make no learning curve."""
    if why := recipe.method.why_not("curve", recipe):
        raise InputError(why.what, fix=why.fix)
    if recipe.split.train_share < 1:
        fix = "leave split.train_share out: the curve sets it"
        raise InputError("a learning curve is drawn over all training rows", value=recipe.split.train_share, fix=fix)
    if rows < LEAST_ROWS:
        what = f"too few training rows for a learning curve: {rows}, and an eighth of them is its first point"
        raise InputError(what, fix=f"bring {LEAST_ROWS} training rows or more")


def refuse_other_scores(run: Run, metric: str) -> None:
    """After the first run, before the others. Raises InputError for scores that are no shares."""
    for line in read_lines(run.folder / "answers.jsonl"):
        if not 0 <= float(line["tuned_score"]) <= 1:
            fix = "let it return shares, or choose another evaluate.metric"
            what = f"a learning curve needs scores from 0 to 1, and {metric} gives others"
            raise InputError(what, where=f"run {run.name}", value=line["tuned_score"], fix=fix)


def recipe_for_share(recipe: Recipe, share: float) -> Recipe:
    """The recipe for a share of the training rows; what it forgets is measured for all of them only."""
    part = recipe.model_copy(deep=True)
    part.split.train_share, part.evaluate.forgetting = share, False

    kept_apart, budget = [], None
    if recipe.keep.replays or recipe.keep.scale == "auto":
        kept_apart = recipe.forgetting.suites
    if recipe.keep.scale == "auto":
        budget = recipe.forgetting.score

    part.forgetting = Forgetting(suites=kept_apart, score=budget)
    return part


def reuse_judgements(whole: Run, part: Run) -> None:
    """What a judge said of answers in the run of all rows is not asked again for a share: the base answers alike in
    each, and verdicts are kept under the very words that were judged."""
    said = whole.folder / JUDGED
    if said.is_dir() and not (part.folder / JUDGED).exists():
        with new_folder(part.folder / JUDGED) as temporary:
            shutil.copytree(said, temporary, dirs_exist_ok=True)


def scores_of(run: Run) -> dict[int, float]:
    """The tuned model's score of each test row, by the row's index."""
    return {line["row"]: float(line["tuned_score"]) for line in read_lines(run.folder / "answers.jsonl")}


def measure_curve(
    runs: Sequence[tuple[Run, dict[str, Any]]], clusters: Sequence[object] | None, seed: int
) -> CurveFacts:
    """The forecast from finished runs and their results, fewest rows first. Raises RunError when they were not measured
    on the same rows, or not by the same metric."""
    by_run = [scores_of(run) for run, _ in runs]
    if any(list(scores) != list(by_run[0]) for scores in by_run):
        names = [run.name for run, _ in runs]
        fix = "remove these runs and draw the curve again"
        raise RunError("the runs of the curve were measured on different rows", value=names, fix=fix)

    metrics = {run.name: result["metric"]["name"] for run, result in runs}
    if len(set(metrics.values())) > 1:
        fix = "name evaluate.metric, and draw the curve again"
        raise RunError("the runs of the curve were measured by different metrics", value=metrics, fix=fix)

    rows = [result["ledger"]["trained"] for _, result in runs]
    facts = forecast(rows, [list(scores.values()) for scores in by_run], clusters, seed)
    whole = runs[-1][1]
    for point, share, (run, _) in zip(facts["points"], SHARES, runs, strict=True):
        point["share"], point["run"] = share, run.name

    return {**facts, "metric": whole["metric"], "base": whole["base"]["score"]}


class LastCurve(CurveFacts):
    run: str


def last_curve(recipe: Recipe, root: Path) -> LastCurve | None:
    """The facts of the newest curve.json of the same data, base and kind of method among the runs of `root`, with the
    key `run`; None where none was drawn. Raises RunFolderError for one that is damaged."""
    newest = sorted(root.glob("*/curve.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    wanted = data_hash(recipe) if newest else ""
    for path in newest:
        with suppress(RunFolderError):  # a run that cannot be read is no run of this data; `whet runs` says what it has
            if read_json_file(path.parent / "run.json").get("data_sha256") != wanted:
                continue

            asked = Run(path.parent).requested
            if (asked.base, asked.method.kind) == (recipe.base, recipe.method.kind):
                break
    else:
        return None

    return read_json_file(path, "sentence", "word", "points", "gain", "next") | {"run": path.parent.name}
