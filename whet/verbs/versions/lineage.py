"""Where a version comes from, data, base and the runs before it, and where it went: its releases with their proofs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whet.errors import WhetError
from whet.recipe.bases import is_base
from whet.recipe.file_formats import sheet_of
from whet.recipe.files import files_of
from whet.recipe.keywords import in_python
from whet.release.inspection.kept_proofs import releases_of
from whet.reports.result import Result, Table
from whet.store import identity
from whet.store.model_registry import find_run, list_models
from whet.store.reading import iter_lines, optional_json
from whet.store.run import DEFAULT_ROOT, IMPORTED, MADE_FROM, Run

FATES = ("trained", "validation", "test", "dropped")
HOLDS_DATA = ("data", "rows", "documents")
UNCHANGED = {True: "as it was in training", False: "not as it was in training", None: "not at hand"}


@in_python
def lineage(model: str, run_root: Path | str = DEFAULT_ROOT) -> Lineage:
    """As ModelList.lineage."""
    run = find_run(model, run_root)
    known = not run.imported
    return Lineage(
        model=model,
        run=run.name,
        folder=str(run.folder),
        versions=_versions_of(run),
        known=known,
        imported_from=None if known else run.read_json(IMPORTED).get("from"),
        method=_facts(run).get("method"),
        data=_data(run) if known else None,
        base=_base(run),
        parents=_parents(run, {run.folder.resolve()}) if known else [],
        releases=[asdict(release) for release in releases_of(run)],
    )


class Lineage(Result):
    def title(self) -> str:
        names = ", ".join(self["versions"]) or "no named model"
        return f"{self['model']} is run {self['run']} ({names})"

    def table(self) -> Table:
        return ("", "what", ""), [*self._rows()]

    def facts(self) -> list[tuple[str, str]]:
        if self["known"]:
            return []
        told = f"unknown: it was imported from {self['imported_from']}; what it learned from nobody told"
        return [("lineage", told)]

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        data, base = self["data"], self["base"]
        if data:
            for one in data["files"]:
                yield one["key"], one["name"], "" if one["there"] else "not on this disk"
            yield "fingerprint", str(data["sha256"] or "-")[:16], UNCHANGED[data["unchanged"]]
            for name, fates in data["rows"].items():
                yield "rows", name, ", ".join(f"{fates[fate]:,} {fate}" for fate in FATES)
        more = [f"fingerprint {str(base['fingerprint'] or '-')[:16]}"]
        if base["revision"]:
            more.insert(0, f"revision {base['revision'][:12]}")
        if base["there"] is False:
            more.append("it is not there")
        yield "base", str(base["name"]), ", ".join(more)
        yield from _parent_rows(self["parents"], 0)
        for one in self["releases"]:
            form = " ".join(part for part in (one["form"], one["type"]) if part)
            yield "release", f"{form}: {one['folder']}", "proved" if one["counts"] else f"not proved: {one['why']}"


def _parent_rows(parents: list[dict[str, Any]], depth: int) -> Iterator[tuple[str, str, str]]:
    for one in parents:
        names = ", ".join(one["versions"])
        told = names if one["there"] else "it is not there"
        if one["there"] and not one["known"]:
            told = f"{told}; imported: lineage unknown".lstrip("; ")
        yield f"{'  ' * depth}from: {one['how']}", str(one["run"] or one["name"]), told
        yield from _parent_rows(one["parents"], depth + 1)


def _facts(run: Run) -> dict[str, Any]:
    return optional_json(run.model / "whet.json", {})


def _versions_of(run: Run) -> list[str]:
    """Names under which the run is registered where it stands."""
    models = list_models(run.folder.parent)
    return [f"{model.name}@{one.version}" for model in models for one in model.versions if one.run == run.name]


def _base(run: Run) -> dict[str, Any]:
    facts = _facts(run)
    name = str(facts.get("base", run.recipe.base))
    return {
        "name": name,
        "there": Path(name).exists() if Path(name).is_absolute() else None,
        "revision": facts.get("base_revision"),
        "fingerprint": facts.get("base_fingerprint"),
        "quantise": facts.get("quantise"),
        "from_scratch": facts.get("from_scratch"),
    }


def _data(run: Run) -> dict[str, Any]:
    """Files that the recipe names, and what became of their rows."""
    recipe, sum_of_run = run.recipe, run.read_json("run.json").get("data_sha256")
    counted = [file for file in identity.counted_files(recipe).values() if file.key.holds in HOLDS_DATA]
    named = [(file.dotted, name) for file in counted for name in file.names]
    files = [{"key": key, "name": name, "there": sheet_of(name)[0].exists()} for key, name in named]
    unchanged = None
    if all(one["there"] for one in files):
        unchanged = identity.data_hash(recipe) == sum_of_run
    return {
        "files": files,
        "sha256": sum_of_run,
        "unchanged": unchanged,
        "rows": _rows_by_file(run),
        "left_out": optional_json(run.folder / "ledger.json", {}).get("dropped"),
        "each_row": str(run.folder / "rows.jsonl") if (run.folder / "rows.jsonl").is_file() else None,
    }


def _rows_by_file(run: Run) -> dict[str, dict[str, int]]:
    """Of each file of the ledger how many rows had which fate."""
    found: dict[str, Counter[str]] = {}
    for line in iter_lines(run.folder / "rows.jsonl"):
        name = str(line.get("where", "")).rstrip("0123456789").rstrip(":")
        found.setdefault(name, Counter())[str(line.get("fate"))] += 1
    return {name: {fate: fates[fate] for fate in FATES} for name, fates in found.items()}


def _parents(run: Run, seen: set[Path]) -> list[dict[str, Any]]:
    """Runs that this one was made from, each with its own: the base, a teacher, a reward model, the run that was
    scaled, rows that lie in a run. `seen` ends what leads back to itself."""
    found = []
    for how, name, parent in _named_runs(run):
        place = parent.folder.resolve() if parent else None
        if place is not None and place in seen:
            continue
        inner = _parents(parent, {*seen, parent.folder.resolve()}) if parent and not parent.imported else []
        found.append(
            {
                "how": how,
                "name": name,
                "run": parent.name if parent else None,
                "folder": str(parent.folder) if parent else None,
                "there": parent is not None,
                "known": parent is not None and not parent.imported,
                "versions": _versions_of(parent) if parent else [],
                "parents": inner,
            }
        )
    return found


def _named_runs(run: Run) -> Iterator[tuple[str, str, Run | None]]:
    """(key, name, run) of all that the run names; None for a run that is no longer there."""
    scaled = optional_json(run.folder / "scaled_from.json", {}).get("run")
    if scaled:
        yield "scaled", scaled, _found(scaled, run)

    origin = optional_json(run.folder / MADE_FROM, {})
    if origin:
        yield origin["how"], origin["run"], _found(origin["run"], run)

    base = str(_base(run)["name"])
    if within := run_around(base):
        yield "base", base, within

    for file in files_of(run.recipe):
        for name in file.names:
            if file.key.holds in (*HOLDS_DATA, "model", "teacher") and (within := run_around(name)):
                yield file.dotted, name, within
            elif file.key.holds == "teacher" and not is_base(name):
                yield file.dotted, name, _found(name, run)


def _found(name: str, run: Run) -> Run | None:
    try:
        return find_run(name, run.folder.parent)
    except WhetError:
        return None


def run_around(name: str) -> Run | None:
    """The run in whose folder the file or folder of this name lies; None where there is none of the name, or no run."""
    path, _ = sheet_of(name)
    if not path.exists():
        return None
    for folder in (path.absolute(), *path.absolute().parents):
        if (folder / "run.json").is_file():
            return Run(folder)
    return None
