"""Named models with versions: an append-only file of events, `<root>/models.jsonl`, that is read from the start.

A name has versions 1, 2, ..., each a candidate, live or retired. Promoting makes a version live and the one before
retired; rolling back does the contrary. Nothing is ever rewritten, so the file is also the history; a run that is
measured again adds what it was found to be. What a version must have before it is promoted is not decided here
(whet/verbs/versions/promotion.py), nor which may be tried beside the live one (whet/verbs/versions/traffic.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal, get_args

from whet.errors import RunFolderError, nearest
from whet.recipe.file_formats import sheet_of
from whet.store.atomic import append_line, plain
from whet.store.checksums import weights_digest
from whet.store.index import refuse_file_as_root
from whet.store.lock import Lock
from whet.store.names import longer, stem_of
from whet.store.reading import read_json_file, read_lines
from whet.store.run import DEFAULT_ROOT, Run
from whet.text.dates import now

Stage = Literal["candidate", "live", "retired"]
"""`candidate`: never was live. `retired`: was, and is no more."""
PATIENCE = 5.0
"""Seconds to wait for another process that writes a line of the list: it takes milliseconds."""


@dataclass(slots=True)
class Promotion:
    """How a version became live. Lists of earlier versions of Whet tell no more than when."""

    at: str
    by: str = ""
    """Login name."""
    forced: bool = False
    why: str = ""
    missing: list[str] = field(default_factory=list)
    """What it had not, and was promoted without."""
    proofs: list[str] = field(default_factory=list)
    """Folders of its releases that were proved."""


TOLD = ("by", "forced", "why", "missing", "proofs")
"""What the event of a promotion tells beside its date."""
Trying = Literal["canary", "shadow", "ab"]
"""`canary`: answers a share of those who ask. `shadow`: is asked the same, and nobody hears its answer. `ab`: a canary
whose answers are compared with those of the live version."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A version that is tried beside the live one."""

    id: str
    """The same as long as it lasts, also where its share changes: traces carry it."""
    kind: Trying
    version: int
    live: int
    """The version beside which it is tried."""
    share: float
    """Of those who ask, 0 to 1."""
    began: str
    """UTC, to the second."""
    by: str = ""


@dataclass(slots=True)
class ModelVersion:
    version: int
    run: str
    """Name of the run under the same root."""
    registered: str
    facts: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    """Where the data of its run was; empty where that is not known."""
    weights: str = ""
    """Which weights were registered (checksums.weights_digest); empty where that is not known."""
    stage: Stage = "candidate"
    pinned: bool = False
    promotion: Promotion | None = None
    """The last time that it was promoted."""

    @property
    def is_good(self) -> bool:
        """Whether its own evaluation says that it should be used."""
        return (self.facts.get("ship") or {}).get("answer") == "yes"


@dataclass(slots=True)
class NamedModel:
    name: str
    versions: list[ModelVersion] = field(default_factory=list)
    promoted: list[int] = field(default_factory=list)
    """Versions in the order in which they were promoted; the last is live."""
    ever: set[int] = field(default_factory=set)
    """Versions that were live at any time, also those that were rolled back from."""
    trial: Trial | None = None

    @property
    def current(self) -> int | None:
        """The live version."""
        if self.promoted:
            return self.promoted[-1]
        return None

    @property
    def way_back(self) -> int | None:
        """The version that rolling back would make live."""
        if len(self.promoted) > 1:
            return self.promoted[-2]
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
        _apply(event, models.setdefault(event["name"], NamedModel(event["name"])))

    for model in models.values():
        for one in model.versions:
            if one.version == model.current:
                one.stage = "live"
            elif one.version in model.ever:
                one.stage = "retired"

    return sorted(models.values(), key=lambda model: model.name)


def _apply(event: dict[str, Any], model: NamedModel) -> None:
    """Events of a later version of Whet say nothing here."""
    kind = event["event"]
    if kind == "register":
        model.versions.append(_version(event))
    elif kind == "measured":
        model.version(event["version"]).facts = event["facts"]
    elif kind == "promote":
        model.promoted.append(event["version"])
        model.ever.add(event["version"])
        model.trial = None  # it was beside another live version
        told = {key: event[key] for key in TOLD if key in event}
        model.version(event["version"]).promotion = Promotion(event["at"], **told)
    elif kind == "roll_back":
        model.promoted.pop()
        model.trial = None
    elif kind == "try" and event["kind"] in get_args(Trying):
        model.trial = Trial(**{key: event[key] for key in Trial.__dataclass_fields__ if key in event})
    elif kind == "try_end":
        model.trial = None
    elif kind in ("pin", "unpin"):
        model.version(event["version"]).pinned = kind == "pin"


def _version(event: dict[str, Any]) -> ModelVersion:
    more = {key: event.get(key, "") for key in ("source", "weights")}
    return ModelVersion(event["version"], event["run"], event["at"], event["facts"], **more)


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


def register(
    name: str, run: Run, facts: dict[str, Any], root: Path | str | None = None, source: str | None = None
) -> int:
    """Adds the run's model as the next version of `name`; the same run again keeps its version. Returns the version.
    `source` is where the model's data is, if that is not what the run learned from itself."""
    if root is None:
        root = run.folder.parent

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        fix = "use letters, digits, '-', '_' and '.', at most 100"
        raise RunFolderError("this can not be the name of a model", value=name, fix=fix)

    weights = weights_of(run)
    with registry_lock(root):
        known = next((model for model in list_models(root) if model.name == name), NamedModel(name))
        mine = [one for one in known.versions if one.run == run.name and one.facts == plain(facts)]
        same = [one.version for one in mine if one.weights in ("", weights)]
        if same:
            return same[-1]

        version = len(known.versions) + 1
        event = {"event": "register", "name": name, "version": version, "run": run.name, "facts": plain(facts)}
        if source is None:
            source = source_of(run)
        append(root, event | {"source": source, "weights": weights})
        return version


def weights_of(run: Run) -> str:
    """The digest of its weights, as its model folder lists them; empty where it has none yet."""
    if not (run.model / "whet.json").is_file():
        return ""
    return weights_digest(read_json_file(run.model / "whet.json"))


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


def promote(name: str, version: int, root: Path | str = DEFAULT_ROOT, **told: Any) -> None:
    """Makes `version` live; `told` is what the event tells of it (Promotion). Raises RunFolderError for an unknown name
    or version."""
    find_model(name, root)
    with registry_lock(root):
        model = find_model(name, root)
        if model.version(version).version != model.current:
            append(root, {"event": "promote", "name": name, "version": version, **told})


def roll_back(name: str, root: Path | str = DEFAULT_ROOT, **told: Any) -> int:
    """Makes the version live that was before, and gives it. Raises RunFolderError where there is none, or its run is
    gone."""
    find_model(name, root)
    with registry_lock(root):
        model = find_model(name, root)
        if model.way_back is None:
            fix = f"promote one: whet models promote {name} VERSION"
            raise RunFolderError(f"model {name!r} has no earlier promoted version", fix=fix)

        run_of(model, model.way_back, root)
        append(root, {"event": "roll_back", "name": name, **told})
        return model.way_back


def pin(name: str, version: int, root: Path | str = DEFAULT_ROOT, pinned: bool = True, **told: Any) -> None:
    """Holds a version, or lets it go. Raises RunFolderError for an unknown name or version."""
    find_model(name, root)
    with registry_lock(root):
        if find_model(name, root).version(version).pinned != pinned:
            append(root, {"event": "pin" if pinned else "unpin", "name": name, "version": version, **told})


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
    """The run behind `name` (see `meant`), `name@3`, a run's name, or a run's folder; a run is itself."""
    if isinstance(wanted, Run):
        return wanted

    reference = str(wanted)
    name, at, version = reference.partition("@")

    known = {model.name for model in list_models(root)}
    if name not in known:
        return Run.open(reference, root)

    model = find_model(name, root)
    if at and not (version.isascii() and version.isdigit()):
        raise RunFolderError("a version is a number", value=reference, fix=f"as in {name}@1")
    if at:
        return run_of(model, int(version), root)
    if model.current is None and (Path(root) / name / "run.json").is_file():
        return Run.open(name, root)  # a run of that name: no version comes before it

    number = meant(model, root)
    if number is None:
        newest = len(model.versions)
        fix = f"promote one: whet models promote {name} {newest}, or name it: {name}@{newest}"
        raise RunFolderError(f"no version of model {name!r} is live, and none should be used by its verdict", fix=fix)

    return run_of(model, number, root)


def meant(model: NamedModel, root: Path | str) -> int | None:
    """The version that its name alone stands for: the live one, and as long as none is live the newest that should be
    used by its own verdict; None where there is none."""
    if model.current is not None:
        return model.current
    good = [one.version for one in model.versions if one.is_good and is_there(one, root)]
    return good[-1] if good else None


def is_there(version: ModelVersion, root: Path | str) -> bool:
    return (Path(root) / version.run / "run.json").is_file()


def run_of(model: NamedModel, number: int, root: Path | str) -> Run:
    """The run that is this version. Raises RunFolderError for an unknown one, and where it is no longer there."""
    version = model.version(number)
    if not is_there(version, root):
        fix = f"put its folder back there, or name another version of {model.name} (whet models)"
        what = f"the run of {model.name}@{number} is gone: it was removed or moved"
        raise RunFolderError(what, where=str(Path(root) / version.run), fix=fix)
    return Run(Path(root) / version.run)


def registry_file(root: Path | str) -> Path:
    return Path(root) / "models.jsonl"


def registry_lock(root: Path | str) -> Lock:
    return Lock(Path(root) / "models.lock", "the list of models", PATIENCE)


def append(root: Path | str, event: dict[str, Any]) -> None:
    append_line(registry_file(root), json.dumps({**event, "at": now()}, ensure_ascii=False))
