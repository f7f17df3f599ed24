"""Named models with versions: an append-only file of events, `<root>/models.jsonl`, that is read from the start.

A name has versions 1, 2, ...; one of them may be promoted (in use). Rolling back returns to the version that was
promoted before. Nothing is ever rewritten, so the file is also the history; a run that is measured again adds what
it was found to be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from whet.errors import RunFolderError, nearest
from whet.recipe.file_formats import sheet_of
from whet.store.atomic import append_line, plain
from whet.store.index import refuse_file_as_root
from whet.store.lock import Lock
from whet.store.names import longer, stem_of
from whet.store.reading import read_lines
from whet.store.run import DEFAULT_ROOT, Run
from whet.text.dates import now


@dataclass(slots=True)
class ModelVersion:
    version: int
    run: str
    """Name of the run under the same root."""
    registered: str
    facts: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    """Where the data of its run was; empty where that is not known."""


@dataclass(slots=True)
class NamedModel:
    name: str
    versions: list[ModelVersion] = field(default_factory=list)
    promoted: list[int] = field(default_factory=list)
    """Versions in the order in which they were promoted; the last is in use."""
    ever: set[int] = field(default_factory=set)
    """Versions that were in use at any time, also those that were rolled back from."""

    @property
    def current(self) -> int | None:
        if self.promoted:
            return self.promoted[-1]
        return None

    def version(self, number: int) -> ModelVersion:
        if not 1 <= number <= len(self.versions):
            fix = f"it has versions 1 to {len(self.versions)}"
            raise RunFolderError(f"model {self.name!r} has no version {number}", fix=fix)
        return self.versions[number - 1]


def list_models(root: Path | str = DEFAULT_ROOT) -> list[NamedModel]:
    """All named models in alphabetical order."""
    refuse_file_as_root(root)
    models: dict[str, NamedModel] = {}
    for event in read_lines(registry_file(root)):
        model = models.setdefault(event["name"], NamedModel(event["name"]))
        if event["event"] == "register":
            model.versions.append(_version(event))
        elif event["event"] == "measured":
            model.version(event["version"]).facts = event["facts"]
        elif event["event"] == "promote":
            model.promoted.append(event["version"])
            model.ever.add(event["version"])
        elif event["event"] == "roll_back":
            model.promoted.pop()

    return sorted(models.values(), key=lambda model: model.name)


def _version(event: dict[str, Any]) -> ModelVersion:
    return ModelVersion(event["version"], event["run"], event["at"], event["facts"], event.get("source", ""))


def source_of(run: Run) -> str:
    """The place of a run's data: a path from the root of the disk, or the name of a set on the Hub."""
    data = run.requested.data
    first = data if isinstance(data, str) else data[0]
    path, sheet = sheet_of(Path(run.read_json("run.json").get("working_folder", ".")) / Path(first).expanduser())
    if path.exists():
        return f"{path.resolve()}{'' if sheet is None else f'#{sheet}'}"
    return first


def name_for(run: Run, root: Path | str) -> str:
    """The name under which a run registers itself: that of its data. Where a model of another file has it already, the
    folder of the file is before it, and a number behind it where that does not tell them apart."""
    stem = stem_of(run)
    if stem is None:  # the user gave it
        return run.name
    source, known = source_of(run), {model.name: model for model in list_models(root)}
    with_folder = longer(stem, source)
    numbered = (f"{with_folder}-{number}" for number in count(2))

    return next(name for name in chain((stem, with_folder), numbered) if _takes(known.get(name), source))


def _takes(model: NamedModel | None, source: str) -> bool:
    return model is None or all(version.source in ("", source) for version in model.versions)


def register(name: str, run: Run, facts: dict[str, Any], root: Path | str | None = None) -> int:
    """Adds the run's model as the next version of `name`; the same run again keeps its version. Returns the version."""
    if root is None:
        root = run.folder.parent

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        fix = "use letters, digits, '-', '_' and '.', at most 100"
        raise RunFolderError("this can not be the name of a model", value=name, fix=fix)

    with registry_lock(root):
        known = next((model for model in list_models(root) if model.name == name), NamedModel(name))
        same = [v.version for v in known.versions if v.run == run.name and v.facts == plain(facts)]
        if same:
            return same[-1]

        version = len(known.versions) + 1
        event = {"event": "register", "name": name, "version": version, "run": run.name, "facts": plain(facts)}
        append(root, event | {"source": source_of(run)})
        return version


def facts_of(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What the list of models keeps of an evaluation."""
    scores = {side: (evaluation.get(side) or {}).get("score") for side in ("base", "tuned")}
    return plain({key: evaluation.get(key) for key in ("metric", "verdict", "ship")} | {"scores": scores})


def measured_again(
    run: Run, evaluation: Mapping[str, Any], root: Path | str | None = None
) -> list[tuple[str, int, bool]]:
    """Brings every version that is this run up to date. Returns those, as (name, version, whether it was not)."""
    if root is None:
        root = run.folder.parent

    if not registry_file(root).exists():
        return []

    facts = facts_of(evaluation)
    with registry_lock(root):
        mine = [(model.name, one) for model in list_models(root) for one in model.versions if one.run == run.name]
        found = [(name, one.version, one.facts != facts) for name, one in mine]
        for name, version, new in found:
            if new:
                append(root, {"event": "measured", "name": name, "version": version, "facts": facts})

    return found


def promote(name: str, version: int, root: Path | str = DEFAULT_ROOT) -> None:
    """Puts `version` in use. Raises RunFolderError for an unknown name or version."""
    find_model(name, root)
    with registry_lock(root):
        model = find_model(name, root)
        if model.version(version).version != model.current:
            append(root, {"event": "promote", "name": name, "version": version})


def roll_back(name: str, root: Path | str = DEFAULT_ROOT) -> int:
    """Returns to the version that was in use before, and gives it. Raises RunFolderError when there is none."""
    find_model(name, root)
    with registry_lock(root):
        model = find_model(name, root)
        if len(model.promoted) < 2:
            fix = f"promote one: whet models promote {name} VERSION"
            raise RunFolderError(f"model {name!r} has no earlier promoted version", fix=fix)

        append(root, {"event": "roll_back", "name": name})
        return model.promoted[-2]


def find_model(name: str, root: Path | str = DEFAULT_ROOT) -> NamedModel:
    models = {model.name: model for model in list_models(root)}
    if name not in models:
        raise RunFolderError(
            f"there is no model {name!r}{nearest(name, models)}",
            where=str(registry_file(root)),
            fix="list the models with: whet models",
        )
    return models[name]


def is_run(name: Path | str, root: Path | str = DEFAULT_ROOT) -> bool:
    """Is this the name or the folder of a run, and not data or a recipe?"""
    return any((one / "run.json").is_file() for one in (Path(name), Path(root) / name))


def find_run(wanted: Run | str | Path, root: Path | str = DEFAULT_ROOT) -> Run:
    """The run behind `name` (the promoted version), `name@3`, a run's name, or a run's folder; a run is itself."""
    if isinstance(wanted, Run):
        return wanted

    reference = str(wanted)
    name, _, version = reference.partition("@")

    known = {model.name for model in list_models(root)}
    if name not in known:
        return Run.open(reference, root)

    model = find_model(name, root)
    if version and not version.isdigit():
        raise RunFolderError("a version is a number", value=reference, fix=f"as in {name}@1")

    if version:
        number = int(version)
    else:
        number = model.current

    if number is None and (Path(root) / name / "run.json").is_file():
        return Run.open(name, root)  # a run of that name: no version comes before it
    if number is None:
        fix = f"promote one: whet models promote {name} {len(model.versions)}, or name it: {name}@{len(model.versions)}"
        raise RunFolderError(f"no version of model {name!r} is promoted", fix=fix)

    return Run.open(model.version(number).run, root)


def registry_file(root: Path | str) -> Path:
    return Path(root) / "models.jsonl"


def registry_lock(root: Path | str) -> Lock:
    return Lock(Path(root) / "models.lock", "the list of models")


def append(root: Path | str, event: dict[str, Any]) -> None:
    append_line(registry_file(root), json.dumps({**event, "at": now()}, ensure_ascii=False))
