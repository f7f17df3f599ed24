"""What retrain and rebase share: which version is live, and how the next one is registered and made live."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.errors import InputError, RunFolderError
from whet.evaluation.facts import Evaluation
from whet.model.saved_model import read_facts
from whet.observer import Observer
from whet.release.inspection.kept_proofs import releases_of
from whet.retraining.against_live import first_base
from whet.store import model_registry
from whet.store.run import MADE_FROM, Run
from whet.verbs.releases.export import export
from whet.verbs.versions.promotion import promote


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The version of a named model that the next one is held against."""

    name: str
    version: int
    run: Run
    source: str
    """Where the data of the model is, as the list of models has it."""

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "run": self.run.name}


def find_live(model: Run | str | Path, root: Path | str) -> LiveVersion:
    """Raises RunFolderError for a model that is not there, InputError for a run that is a version of no name, or that
    was not measured."""
    run = _meant(model, root)
    wanted, _, number = model.partition("@") if isinstance(model, str) else ("", "", "")
    mine = [(named.name, one) for named in model_registry.list_models(root) for one in named.versions]
    mine = [(name, one) for name, one in mine if one.run == run.name]
    mine.sort(key=lambda pair: (pair[0] == wanted, str(pair[1].version) == number))
    if not mine:
        fix = f"give it a name: whet models register NAME {run.name}"
        raise InputError("this run is a version of no named model", where=f"run {run.name}", fix=fix)

    run.refuse_elsewhere()
    read_facts(run.model)
    if run.imported or not (run.folder / "answers.jsonl").is_file():
        fix = f"measure it: whet eval {run.name}" if not run.imported else "name a version that was tuned here"
        raise InputError("it has no test rows that a next version could be held against", where=run.name, fix=fix)
    name, version = mine[-1]
    return LiveVersion(name, version.version, run, version.source)


def _meant(model: Run | str | Path, root: Path | str) -> Run:
    """As the list of models has it. Only where no version is live, and a name would stand for its newest good
    candidate, candidates that retrain and rebase made do not count: else the same call again would hold the next
    version against itself."""
    named = {one.name: one for one in model_registry.list_models(root)}.get(str(model))
    if named is None or named.current is not None:
        return model_registry.find_run(model, root)
    for version in reversed(named.versions):
        if version.is_good and model_registry.is_there(version, root):
            run = model_registry.run_of(named, version.version, root)
            if not (run.folder / MADE_FROM).exists():
                return run
    return model_registry.find_run(model, root)


def note_origin(run: Run, live: LiveVersion, how: str, base: str | None = None) -> None:
    """So that lineage and the next version after this one know where it came from. `base`: another than the live
    version stands on."""
    with run.lock:
        facts = {"how": how, "model": live.name, "version": live.version, "run": live.run.name}
        run.write_json(MADE_FROM, facts | {"base": base or first_base(live.run)})


def versions_before(run: Run, root: Path | str) -> list[Run]:
    """The runs that a run was retrained from, the first version last, as far as they are there."""
    found: list[Run] = []
    while (run.folder / MADE_FROM).exists():
        name = run.read_json(MADE_FROM, "run")["run"]
        if not (Path(root) / name / "run.json").is_file():
            break
        run = Run.open(name, root)
        found.append(run)
    return found


def register_next(live: LiveVersion, run: Run, result: Evaluation, root: Path | str) -> int:
    facts = model_registry.facts_of(result)
    return model_registry.register(live.name, run, facts, root, source=live.source or None)


def make_live(
    live: LiveVersion, version: int, run: Run, word: str, asked: bool, root: Path | str, observer: Observer
) -> dict[str, Any]:
    """Makes a better version live where that is asked for, by the rules of all promotions and never by force; a proof
    that is missing is made. What the key `promoted` says: `done`, `why`, and the `command` that is left to do."""
    command = f"whet models promote {live.name} {version}"
    if word != "better":
        return {"done": False, "why": f"it is not proved better ({word})", "command": None}
    if not asked:
        proved = any(one.counts for one in releases_of(run))
        first = "" if proved else f"whet export {live.name}@{version} --to merged, then "
        return {"done": False, "why": "nobody asked for it", "command": first + command}

    current = model_registry.find_model(live.name, root).current
    if current not in (None, live.version, version):
        why = f"{live.name}@{current} is live by now, and it was held against {live.name}@{live.version}"
        return {"done": False, "why": why, "command": f"whet retrain {live.name}"}

    if not any(one.counts for one in releases_of(run)):
        export(run, "merged", run_root=root, observer=observer)
    try:
        promote(live.name, version, root)
    except RunFolderError as error:
        return {"done": False, "why": error.what, "command": None}
    return {"done": True, "why": "it is better, and nothing that was measured was lost", "command": None}
