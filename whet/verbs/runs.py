"""What was done: runs are listed, shown, compared with each other, removed. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from whet.errors import count
from whet.recipe.keywords import in_python
from whet.reports.result import Result, Table
from whet.store.atomic import remove as remove_file
from whet.store.index import RunSummary, list_runs
from whet.store.model_registry import find_run
from whet.store.pruning import sort_out
from whet.store.removal import remove_runs
from whet.store.run import DEFAULT_ROOT, Run
from whet.text.dotted import dotted
from whet.text.numbers import format_metric_name, format_score
from whet.verbs.listing import Listing

HEAD = ("run", "status", "created", "method", "base model", "metric", "base", "tuned", "verdict")
FACTS = ("choices", "ledger", "evaluation", "environment")
"""Files of a run that are shown of it."""
SCORES = ("metric", "base", "tuned", "difference", "verdict", "seconds")
"""Keys of an evaluation in which two runs are compared."""


@in_python
def runs(run_root: Path | str = DEFAULT_ROOT) -> RunList:
    """The runs in a folder, newest first: a list of summaries, whose methods show, compare and remove runs.

    A damaged run is listed with its problem.
    """
    return RunList(list_runs(run_root), run_root)


class RunList(Listing[RunSummary]):
    """Summaries of the runs in one folder: `name`, `status`, `created`, `updated`, `data`, `base`, `method`, `metric`,
    `base_score`, `tuned_score`, `scale`, `verdict`, `problem`."""

    def __init__(self, summaries: Iterable[RunSummary], run_root: Path | str) -> None:
        super().__init__(summaries)
        self.run_root = run_root

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self), self.run_root)

    def title(self) -> str:
        return f"{count(len(self), 'run')} in {self.run_root}"

    def table(self) -> Table:
        return HEAD, [_cells(run) for run in self]

    def show(self, run: str) -> Result:
        """One run: its recipe, what was chosen and why, and its result; what is not there yet is None."""
        return show(run, self.run_root)

    def diff(self, run: str, other: str) -> Result:
        """What differs between two runs: recipe, environment and scores; `changed` has it by dotted keys."""
        return diff(run, other, self.run_root)

    def remove(self, *names: str, force: bool = False) -> Result:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Removes runs with all that they hold, and takes them off this list. Raises RunFolderError before anything is
        removed: for a run at work, and, without `force`, for one whose model is live or pinned."""
        removed = remove(names, self.run_root, force)
        self[:] = list_runs(self.run_root)
        return removed

    def prune(self, days: float = 0.0, yes: bool = False) -> Result:
        """The runs that nothing holds on to and that are older than so many days, under `would_go`; why others stay,
        under `kept`. Only with `yes` they are removed, and taken off this list."""
        pruned = prune(self.run_root, days, yes)
        self[:] = list_runs(self.run_root)
        return pruned


def _cells(run: RunSummary) -> tuple[str, ...]:
    scores = [_score(value, run.scale) for value in (run.base_score, run.tuned_score)]
    metric = format_metric_name(run.metric or "-")
    return (run.name, run.status, run.created, run.method, run.base, metric, *scores, run.verdict or "-")


def _score(value: float | None, scale: float | None) -> str:
    return "-" if value is None else format_score(value, scale)


@in_python
def show(run: Run | str, run_root: Path | str = DEFAULT_ROOT) -> Result:
    """As RunList.show."""
    run = find_run(run, run_root)
    facts: dict[str, Any] = {"run": run.name, "status": run.status, "recipe": run.recipe}
    for name in FACTS:
        if (run.folder / f"{name}.json").exists():
            facts[name] = run.read_json(f"{name}.json")
        else:
            facts[name] = None

    return Result(facts)


@in_python
def diff(run: str, other: str, run_root: Path | str = DEFAULT_ROOT) -> Result:
    """As RunList.diff."""
    first, second = _by_dotted_keys(find_run(run, run_root)), _by_dotted_keys(find_run(other, run_root))
    keys = sorted(first.keys() | second.keys())
    changed = {key: [first.get(key), second.get(key)] for key in keys if first.get(key) != second.get(key)}
    return Difference({"runs": [run, other], "changed": changed})


class Difference(Result):
    """Of two runs."""

    def title(self) -> str:
        return f"{count(len(self['changed']), 'difference')} between {' and '.join(self['runs'])}"

    def table(self) -> Table | None:
        changed = [(key, *map(str, pair)) for key, pair in self["changed"].items()]
        if changed:
            return (("key", *self["runs"]), changed)
        return None


def _by_dotted_keys(run: Run) -> dict[str, Any]:
    """Recipe, data, environment and scores of a run."""
    facts = {"recipe": run.recipe.model_dump(), "data_sha256": run.read_json("run.json").get("data_sha256")}
    if (run.folder / "environment.json").exists():
        facts["environment"] = run.read_json("environment.json")
    if (run.folder / "evaluation.json").exists():
        evaluation = run.read_json("evaluation.json")
        facts |= {key: evaluation.get(key) for key in SCORES}
    return dotted(facts)


@in_python
def remove(names: Sequence[str], run_root: Path | str = DEFAULT_ROOT, force: bool = False) -> Result:
    """As RunList.remove; `freed` are the bytes of each."""
    freed = remove_runs(names, run_root, force)
    return Removed({"removed": list(freed), "bytes": sum(freed.values())}, freed)


class Removed(Result):
    """The names of runs that are gone, and what it freed."""

    def __init__(self, facts: dict[str, Any], freed: dict[str, int]) -> None:
        super().__init__(facts)
        self.freed = freed
        """Run -> its bytes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self.freed)

    def facts(self) -> list[tuple[str, str]]:
        return [(name, f"{size / 1e6:,.1f} MB") for name, size in self.freed.items()]


@in_python
def prune(run_root: Path | str = DEFAULT_ROOT, days: float = 0.0, yes: bool = False) -> Result:
    """As RunList.prune; `given` are files of given rows that no run names."""
    sorted_out = sort_out(run_root, days)
    going, given = sorted_out.going, sorted_out.given
    size = sum(run.bytes for run in going)
    size += sum(path.stat().st_size for path in given)

    removed: list[str] = []
    if yes:
        removed = [run.name for run in going]
        remove_runs([str(Path(run_root) / name) for name in removed], run_root)
        for path in given:
            remove_file(path)

    return Pruned(removed=removed, would_go=going, kept=sorted_out.kept, given=given, bytes=size)


class Pruned(Result):
    """What went or would go, and what stays."""

    def title(self) -> str:
        if self["removed"]:
            went = "removed"
        else:
            went = "would go"
        return f"prune: {count(len(self['would_go']), 'run')} {went}, {self['bytes'] / 1e6:,.1f} MB"

    def table(self) -> Table | None:
        going = [(run.name, "goes") for run in self["would_go"]]
        staying = [(name, f"stays: {why}") for name, why in self["kept"].items()]
        return ("run", ""), [*going, *staying]
