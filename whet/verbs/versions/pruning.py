"""Versions of named models that nothing holds on to are listed, and removed where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from whet.errors import count
from whet.recipe.keywords import in_python
from whet.reports.result import Result, Table
from whet.store import model_registry
from whet.store.model_registry import ModelVersion, NamedModel
from whet.store.pruning import sort_out_of
from whet.store.removal import remove_runs
from whet.store.run import DEFAULT_ROOT


@in_python
def prune(
    name: str | None = None, run_root: Path | str = DEFAULT_ROOT, days: float = 0.0, yes: bool = False
) -> PrunedVersions:
    """As ModelList.prune."""
    models = model_registry.list_models(run_root)
    asked = models if name is None else [model_registry.find_model(name, run_root)]
    names: dict[str, list[str]] = {}
    for model in asked:
        for one in _there(model, run_root):
            names.setdefault(one.run, []).append(f"{model.name}@{one.version}")

    held = {run: why for model in models for run, why in _held(model, run_root)}
    found = sort_out_of(names, held, run_root, days)
    removed: list[str] = []
    if yes:
        remove_runs([str(Path(run_root) / run.name) for run in found.going], run_root)
        removed = [one for run in found.going for one in names[run.name]]

    going = [
        {"versions": names[run.name], "run": run.name, "status": run.status, "days": run.days, "bytes": run.bytes}
        for run in found.going
    ]
    kept = {one: why for run, why in found.kept.items() for one in names[run]}
    size = sum(run.bytes for run in found.going)
    return PrunedVersions(removed=removed, would_go=going, kept=dict(sorted(kept.items())), bytes=size)


class PrunedVersions(Result):
    """What went or would go, and what stays."""

    def title(self) -> str:
        went = "removed" if self["removed"] else "would go"
        return f"prune: {count(len(self['would_go']), 'version')} {went}, {self['bytes'] / 1e6:,.1f} MB"

    def facts(self) -> list[tuple[str, str]]:
        return []

    def table(self) -> Table | None:
        going = [(", ".join(run["versions"]), "goes") for run in self["would_go"]]
        staying = [(name, f"stays: {why}") for name, why in self["kept"].items()]
        return ("version", ""), [*going, *staying]


def _there(model: NamedModel, root: Path | str) -> list[ModelVersion]:
    return [one for one in model.versions if model_registry.is_there(one, root)]


def _held(model: NamedModel, root: Path | str) -> Iterator[tuple[str, str]]:
    """(run, why it stays); of several reasons the last."""
    there = _there(model, root)
    stands_for = model_registry.meant(model, root)
    best = best_versions(there)
    for one in there:
        name = f"{model.name}@{one.version}"
        if one.version in best:
            yield one.run, f"the best of {model.name} by {best[one.version]}"
        if one.version == stands_for:
            yield one.run, f"what {model.name} stands for until a version is live"
        if one.version == model.way_back:
            yield one.run, f"what a rollback of {model.name} would make live"
        if one.pinned:
            yield one.run, f"pinned as {name}"
        if model.trial and one.version == model.trial.version:
            yield one.run, f"tried as {name}"
        if one.stage == "live":
            yield one.run, f"live as {name}"


def best_versions(versions: list[ModelVersion]) -> dict[int, str]:
    """Version -> metric of which it has the highest score; of equal ones the newest. Scores of all metrics are better
    the higher they are."""
    found: dict[str, tuple[float, int]] = {}
    for one in versions:
        score = (one.facts.get("scores") or {}).get("tuned")
        metric = (one.facts.get("metric") or {}).get("name")
        if score is not None and metric is not None:
            found[metric] = max(found.get(metric, (float("-inf"), 0)), (score, one.version))
    return {version: metric for metric, (_, version) in found.items()}
