"""What is wrong with the data, where every row would go, and what the test rows could prove."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whet.data.source import Source
from whet.doctor.check import Check
from whet.doctor.check_registry import all_checks
from whet.doctor.checks.held_out.contamination import Contamination
from whet.doctor.repair import refuse_target
from whet.errors import InputError
from whet.evaluation.goal import ProvableFacts, provable
from whet.evaluation.preflight.refusals import refuse_before_data, refuse_before_training
from whet.evaluation.studies.curve_runs import last_curve
from whet.methods import method_of
from whet.model.base import base_notes, load_config
from whet.observer import Observer, Silent
from whet.recipe.keywords import in_python, worded
from whet.recipe.schema import Recipe
from whet.reports.result import CheckResult
from whet.stats.paired import cluster_sizes
from whet.stats.power import power_facts
from whet.store.run import DEFAULT_ROOT
from whet.training.session import sandbox_notes, with_length_limits
from whet.verbs.inputs import CACHE, Input, read_data, recipe_of
from whet.verbs.steps.findings import run_checks, write_repaired


@in_python
def check(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    fix: Path | str | None = None,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    against: Collection[str] = (),
    out: Path | str | None = None,
    **overrides: Any,
) -> CheckResult:
    """What is wrong with the data, where every row would go, and what the test rows could prove. Nothing is trained.

    `fix` names a new file for the rows without what can be repaired. `only` and `skip` choose among the checks.
    `against` names benchmark files that the data must not hold; the result's `against` says of how many rows of each a
    row to be learned holds a text. `apart` holds the prompts and frames of templates that so many rows share that they
    are on both sides of the split. `curve` holds what `whet curve` found on this data before: what twice the rows
    would bring.
    Rows that cannot be used are counted, however many they are: `drop_budget` does not stop this. `refused` says why
    a tune would be refused for these rows, before it trains; None where it would not. What is refused before rows can
    be looked at is raised, as by `tune`. `out` is another name of `run_root`.
    """
    run_root = run_root if out is None else out
    observer = observer or Silent()
    requested = recipe_of(data, overrides, run_root)
    recipe = requested.model_copy(update={"drop_budget": 1.0})

    checks = all_checks(only, skip)
    if against and not any(isinstance(check, Contamination) for check in checks):
        what = f"nothing would be compared with these files: the check {Contamination.code} is left out"
        raise InputError(what, where="--against", value=list(against), fix="do not leave it out, or name no files")

    if fix is not None:
        refuse_target(Path(fix))
    refuse_before_data(recipe, method_of(recipe), run_root)
    recipe = with_length_limits(recipe, load_config(recipe.base, recipe.trust_remote_code))
    source = read_data(recipe, run_root, observer)
    ledger = source.ledger.summary()

    if source.plain_text:
        sizes = (1,) * ledger["held_out"]["test"]
    else:
        sizes = cluster_sizes(source.test_rows)

    findings = run_checks(recipe, source, checks, observer, tuple(against))
    result = {
        "rows": ledger["rows_in"],
        "kind": source.kind,
        "findings": [asdict(finding) for finding in findings],
        "refused": refusal_of(recipe.model_copy(update={"drop_budget": requested.drop_budget}), source, run_root),
        "against": benchmark_hits(checks),
        "ledger": ledger,
        "power": power_facts(sizes) | goal_facts(recipe, source),
        "apart": list(source.apart),
        "notes": base_notes(recipe.base) + sandbox_notes(recipe, method_of(recipe)) + source.notes,
        "curve": last_curve(recipe, Path(run_root)),
    }

    if fix is not None:
        result["fixed"] = asdict(write_repaired(recipe, source, checks, Path(fix), observer))
    observer.done()
    return CheckResult(result)


def goal_facts(recipe: Recipe, source: Source) -> dict[str, list[ProvableFacts]]:
    """What the test rows could prove of each share that the recipe's goal asks for."""
    if recipe.goal is None or not source.test_rows:
        return {}
    return {"goal": provable(recipe.goal, source.test_rows)}


def benchmark_hits(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Of each benchmark that the data was compared with: its name, its rows, and how many rows to be learned hold."""
    hits = []
    for check in checks:
        if not isinstance(check, Contamination):
            continue
        for source in check.sources:
            if source.kind == "benchmark":
                hits.append({"name": source.name, "rows": source.rows, "held": len(source.known())})

    return hits


def refusal_of(recipe: Recipe, source: Source, run_root: Path | str, verdict: bool = True) -> dict[str, str] | None:
    """`what`, `where` and `fix` of the error with which a tune would stop for this data, or without `verdict` a train;
    None where it would not."""
    try:
        source.ledger.enforce_budget(recipe.drop_budget)
        refuse_before_training(recipe, source, method_of, Path(run_root) / CACHE, verdict)
    except InputError as error:
        return {"what": worded(error.what), "where": error.where, "fix": worded(error.fix)}
    return None
