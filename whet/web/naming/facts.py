"""Named models as a page shows them, and how a run gets a name."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from whet.errors import WhetError
from whet.release.inspection.kept_proofs import KeptRelease, releases_of
from whet.server.access.audit import note
from whet.server.access.caller import ADMIN
from whet.server.errors import ApiError, not_found
from whet.store import model_registry
from whet.store.model_registry import ModelVersion, NamedModel
from whet.store.run import Run
from whet.verbs.models import register, stage
from whet.verbs.versions.difference import VersionDifference, diff
from whet.verbs.versions.lineage import Lineage, lineage
from whet.verbs.versions.promotion import Missing, promote, without_proof, without_yes
from whet.web.asked import Asked

FOLDERS = re.compile(r"(?:/[^/\s'\"]+)+/(?=[^/\s'\"])")
"""Of a path in a text: what lies before its name."""


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    stage: str
    is_live: bool
    run: str
    registered: str
    verdict: str
    ship: str
    missing: list[str]
    """What was not there when it was promoted by force."""
    why: str
    is_there: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a version from its files: read after the page, because proofs are checked file by file."""

    version: ModelVersion
    run: Run | None
    """None where it is gone."""
    missing: list[Missing]
    """What it must have before it is made live."""
    releases: list[KeptRelease]
    lineage: Lineage | None
    wrong: str = ""
    """Why where it comes from cannot be told."""


def named(asked: Asked) -> list[NamedModel]:
    """Of the folder of runs that the service was started with."""
    root = _root(asked)
    return model_registry.list_models(root) if root is not None and root.is_dir() else []


def find(asked: Asked, name: str) -> NamedModel:
    """Raises ApiError 404."""
    for model in named(asked):
        if model.name == name:
            return model
    raise not_found("model", name, "model")


def version_of(model: NamedModel, number: int | None) -> ModelVersion:
    """The one that was asked for, or else the live one, or the newest. Raises ApiError 404."""
    number = number or model.current or len(model.versions)
    if not 1 <= number <= len(model.versions):
        what = f"{model.name} has no version {number}: it has versions 1 to {len(model.versions)}."
        raise ApiError(404, what, code="version_not_found", param="version")
    return model.version(number)


def versions(asked: Asked, model: NamedModel) -> list[Version]:
    """The newest first."""
    root = root_of(asked)
    return [_version(one, model, root) for one in reversed(model.versions)]


def _version(one: ModelVersion, model: NamedModel, root: Path) -> Version:
    there, promotion = model_registry.is_there(one, root), one.promotion
    return Version(
        one.version,
        stage(one, there, model.trial),
        one.stage == "live",
        one.run,
        one.registered,
        (one.facts.get("verdict") or {}).get("word", "not measured"),
        (one.facts.get("ship") or {}).get("answer", ""),
        promotion.missing if promotion else [],
        promotion.why if promotion else "",
        there,
    )


def standing(asked: Asked, model: NamedModel, version: ModelVersion) -> Standing:
    """Reads the run, and every file of its releases."""
    root, name = root_of(asked), f"{model.name}@{version.version}"
    if not model_registry.is_there(version, root):
        return Standing(version, None, [], [], None, "Its run is gone.")
    run = model_registry.run_of(model, version.version, root)
    releases = releases_of(run)
    missing = [*without_yes(run), *without_proof(name, releases)]
    try:
        return Standing(version, run, missing, releases, lineage(name, root))
    except WhetError as error:
        return Standing(version, run, missing, releases, None, error.what)


def difference(asked: Asked, model: NamedModel, against: int, version: ModelVersion) -> VersionDifference:
    """From version `against` to this one. Raises ApiError 404, WhetError."""
    version_of(model, against)
    return diff(f"{model.name}@{against}", f"{model.name}@{version.version}", root_of(asked))


def told_to(asked: Asked, text: str) -> str:
    """Where things lie on the server is for administrators; others are told what they are called."""
    return text if asked.may(ADMIN) else FOLDERS.sub("", text)


def make_live(asked: Asked, name: str, number: int, why: str) -> None:
    """Without a reason `why`, only what its verdict and its proof let through. Raises WhetError."""
    find(asked, name)
    done = promote(name, number, root_of(asked), force=bool(why), why=why or None)
    write_down(asked, "model.promoted", f"{name}@{number}", was=done["was"], forced=done["forced"], why=why or None)


def write_down(asked: Asked, act: str, what: str, **facts: object) -> None:
    """Into the service's book of what administrators did."""
    database, caller = asked.service.database, asked.caller
    with database.write() as connection:
        note(connection, act, what, database.now(connection), project=caller.project, by=caller.key, **facts)


def root_of(asked: Asked) -> Path:
    """The folder whose list of names is kept. Raises ApiError 400 where the service has none."""
    root = _root(asked)
    if root is None:
        what = "Names are kept beside the runs of the command line, and this service was started without --runs."
        raise ApiError(400, what, code="no_runs")
    return root


def _root(asked: Asked) -> Path | None:
    return asked.service.settings.runs


def give_name(asked: Asked, run: Run, name: str) -> int:
    """Makes a finished run the next version of a name. The run of a job is first taken among the runs that can have
    one. Raises ApiError, WhetError."""
    root = root_of(asked)
    if run.folder.parent.resolve() != root.resolve():
        run = _taken(run, root)
    number = int(register(name, run, root)["version"])
    write_down(asked, "model.registered", f"{name}@{number}", run=run.name)
    return number


def _taken(run: Run, root: Path) -> Run:
    """The same run in another folder: its files are linked, which takes no room, or else copied."""
    place = root / run.folder.name
    if not place.exists():
        making = root / f".{run.folder.name}-coming"
        shutil.rmtree(making, ignore_errors=True)
        try:
            shutil.copytree(run.folder, making, copy_function=_link)
            making.rename(place)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    return Run(place)


def _link(source: str, target: str) -> None:
    if Path(source).suffix != ".safetensors":  # other files grow, or are written again in their place
        shutil.copy2(source, target)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
