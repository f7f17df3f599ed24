"""A version becomes live: with a verdict that says yes and a proof of a release, or by force, which is written down."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whet.errors import InputError, RunFolderError
from whet.evaluation import decision
from whet.recipe.keywords import in_python
from whet.release.inspection.kept_proofs import KeptRelease, releases_of
from whet.reports.result import Result
from whet.store import model_registry
from whet.store.checksums import refuse_damaged, refuse_other_weights
from whet.store.reading import read_json_file
from whet.store.run import DEFAULT_ROOT, Run


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a version must have before it is made live."""

    what: str
    command: str = ""
    """What brings it; empty where nothing does."""


@in_python
def promote(
    name: str, version: int, run_root: Path | str = DEFAULT_ROOT, force: bool = False, why: str | None = None
) -> Result:
    """As ModelList.promote."""
    if force != bool(why and why.strip()):
        what = "what is promoted by force needs a reason" if force else "a reason is given for force alone"
        raise InputError(what, where="--force" if force else "--why", fix="give both: --force --why TEXT")

    model = model_registry.find_model(name, run_root)
    was, told, ended = model.current, promotion_of(model.version(version)), {}
    if was != version:
        told, ended = _told(model, version, run_root, why or ""), ended_with(model)
        model_registry.promote(name, version, run_root, **told)
    return Result(name=name, current=version, was=was, **told, **ended)


def ended_with(model: model_registry.NamedModel) -> dict[str, Any]:
    """The trial that ends when another version becomes live, where there is one."""
    return {"ended": asdict(model.trial)} if model.trial else {}


def promotion_of(version: model_registry.ModelVersion) -> dict[str, Any]:
    """How a version became live, as its event tells it."""
    found = version.promotion or model_registry.Promotion("")
    return {key: getattr(found, key) for key in model_registry.TOLD}


def _told(model: model_registry.NamedModel, version: int, root: Path | str, why: str) -> dict[str, Any]:
    """What the event tells. Raises RunFolderError for a version that is not what was registered, and, without a reason
    for force, for one that has not all that it must have."""
    run = model_registry.run_of(model, version, root)
    refuse_another_model(run, model.version(version), model.name)
    kept = releases_of(run)
    missing = [*without_yes(run), *without_proof(f"{model.name}@{version}", kept)]

    if missing and not why:
        commands = [one.command for one in missing if one.command]
        force = f"whet models promote {model.name} {version} --force --why TEXT makes it live all the same"
        raise RunFolderError(
            f"{model.name}@{version} cannot be made live: {'; '.join(one.what for one in missing)}",
            where=str(run.folder),
            fix="; ".join([*commands, f"{force}, which is written down"]),
        )

    return {
        "by": who(),
        "forced": bool(missing),
        "why": why,
        "missing": [one.what for one in missing],
        "proofs": [one.folder for one in kept if one.counts],
    }


def refuse_another_model(run: Run, version: model_registry.ModelVersion, name: str) -> None:
    """What lies there must be whole, and the weights that were registered. Raises RunFolderError; force is of no help.
    Files of the run are read for it, and all weights."""
    if not (run.model / "whet.json").is_file():
        fix = "finish it: run the command that made it again"
        raise RunFolderError(f"run {run.name!r} has no model, it is {run.status}", where=str(run.folder), fix=fix)

    refuse_damaged(run.folder)
    refuse_other_weights(read_json_file(run.model / "whet.json").get("weights_sha256", {}), run.model)
    if version.weights and version.weights != model_registry.weights_of(run):
        raise RunFolderError(
            f"run {run.name!r} has other weights than when it was registered as {name}@{version.version}",
            where=str(run.model),
            fix=f"restore them; or register what is there as another version: whet models register {name} {run.name}",
        )


def without_yes(run: Run) -> list[Missing]:
    """What of a verdict is missing; nothing where it says that the model should be used."""
    if run.imported:
        return [Missing("it was imported, so there is no data that could tell whether it is better")]
    if not (run.folder / "evaluation.json").is_file():
        return [Missing("it was not measured", f"whet eval {run.name} measures it")]

    decided = decision.decide(run.read_json("evaluation.json"))
    if decided["answer"] == "yes":
        return []
    return [Missing(f'its verdict is not yes ("{decided["sentence"]}")', "another tune may do better")]


def without_proof(name: str, kept: list[KeptRelease]) -> list[Missing]:
    """What of a proved release is missing; nothing where one counts."""
    if any(one.counts for one in kept):
        return []
    export = f"whet export {name} --to merged (or another form) releases and proves it"
    if not kept:
        return [Missing("no release of it was proved", export)]
    reasons = "; ".join(f"{one.form}: {one.why}" for one in kept)
    return [Missing(f"none of its proofs counts ({reasons})", export)]


def who() -> str:
    """The login name; the number of the user where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no LOGNAME, and no entry in the list of users
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"


@in_python
def roll_back(name: str, run_root: Path | str = DEFAULT_ROOT, by: str | None = None) -> Result:
    """As ModelList.roll_back; `by` as in traffic.begin."""
    model = model_registry.find_model(name, run_root)
    if model.way_back is None and model.trial is not None:
        fix = f"to be rid of {name}@{model.trial.version}: whet models end {name}"
        raise RunFolderError(f"model {name!r} has no earlier promoted version", fix=fix)
    current = model_registry.roll_back(name, run_root, by=by or who())
    return Result(name=name, current=current, was=model.current, **ended_with(model))


@in_python
def pin(name: str, version: int, run_root: Path | str = DEFAULT_ROOT, pinned: bool = True) -> Result:
    """As ModelList.pin and ModelList.unpin."""
    model_registry.pin(name, version, run_root, pinned, by=who())
    return Result(name=name, version=version, pinned=pinned)
