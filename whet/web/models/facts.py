"""Named models as a page shows them, and how a run gets a name."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.errors import RunFolderError, WhetError
from whet.server.errors import ApiError
from whet.server.inference.catalogue import ServedModel
from whet.store import model_registry
from whet.store.model_registry import NamedModel
from whet.store.run import Run
from whet.verbs.models import register, stage
from whet.verbs.versions.lineage import lineage
from whet.web.asked import Asked


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    stage: str
    is_live: bool
    run: str
    registered: str
    verdict: str
    ship: str
    proofs: int
    missing: list[str]
    """What was not there when it was promoted by force."""
    why: str
    is_there: bool


def named(asked: Asked) -> list[NamedModel]:
    """Of the folder of runs that the service was started with."""
    root = _root(asked)
    return model_registry.list_models(root) if root is not None and root.is_dir() else []


def find(asked: Asked, name: str) -> NamedModel:
    """Raises ApiError 404."""
    for model in named(asked):
        if model.name == name:
            return model
    raise ApiError(404, f"No such model: {name!r}.", code="model_not_found", param="model")


def versions(asked: Asked, model: NamedModel) -> list[Version]:
    """The newest first."""
    root = root_of(asked)
    found = []
    for one in reversed(model.versions):
        there = model_registry.is_there(one, root)
        promotion = one.promotion
        found.append(
            Version(
                one.version,
                stage(one, there, model.trial),
                one.stage == "live",
                one.run,
                one.registered,
                (one.facts.get("verdict") or {}).get("word", "not measured"),
                (one.facts.get("ship") or {}).get("answer", ""),
                len(promotion.proofs) if promotion else 0,
                promotion.missing if promotion else [],
                promotion.why if promotion else "",
                there,
            )
        )
    return found


def answering(asked: Asked) -> list[ServedModel]:
    """Everything that answers: bases, names, and what jobs made."""
    return asked.service.answering.catalogue.listed(asked.caller.project)


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
    return int(register(name, run, root)["version"])


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


def lineage_of(asked: Asked, model: NamedModel, number: int) -> list[tuple[str, str]]:
    """Where a version comes from, a step a line; empty where its run is gone."""
    try:
        told: Any = lineage(f"{model.name}@{number}", root_of(asked))
    except (RunFolderError, WhetError):
        return []
    return list(told.facts())
