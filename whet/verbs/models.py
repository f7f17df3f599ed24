"""Named models with versions: list, register, promote, roll back. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from whet.errors import RunFolderError, count
from whet.recipe.keywords import in_python
from whet.reports.result import Result, Table
from whet.store import model_registry
from whet.store.model_registry import NamedModel, list_models
from whet.store.run import DEFAULT_ROOT, Run
from whet.verbs.listing import Listing

HEAD = ("model", "version", "", "verdict", "ship it?", "run", "registered")


@in_python
def models(run_root: Path | str = DEFAULT_ROOT) -> ModelList:
    """The named models of a folder of runs, by name: a list with their versions, whose methods register, promote and
    roll back."""
    return ModelList(list_models(run_root), run_root)


class ModelList(Listing[NamedModel]):
    """Models with `name`, `current` (the version in use, or None) and `versions`, each with `version`, `run`,
    `registered` and `facts`."""

    def __init__(self, models: Iterable[NamedModel], run_root: Path | str) -> None:
        super().__init__(models)
        self.run_root = run_root

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self), self.run_root)

    def title(self) -> str:
        return f"{count(len(self), 'named model')} in {self.run_root}"

    def table(self) -> Table:
        rows = []
        for model in self:
            for version in model.versions:
                verdict, decision = version.facts.get("verdict") or {}, version.facts.get("ship") or {}
                rows.append(
                    (
                        model.name,
                        f"{version.version:,}",
                        "in use" if version.version == model.current else "",
                        verdict.get("word", "not measured"),
                        decision.get("answer", ""),
                        version.run,
                        version.registered,
                    )
                )

        return HEAD, rows

    def register(self, name: str, run: Run | str) -> Result:
        """Makes the model of a finished run the next version of a named model, new or known."""
        return self._anew(register(name, run, self.run_root))

    def promote(self, name: str, version: int) -> Result:
        """Puts a version of a model in use. Raises RunFolderError for an unknown name or version."""
        return self._anew(promote(name, version, self.run_root))

    def roll_back(self, name: str) -> Result:
        """Returns to the version that was in use before. Raises RunFolderError where there is none."""
        return self._anew(roll_back(name, self.run_root))

    def _anew(self, done: Result) -> Result:
        """What was done, with this list as it is now."""
        self[:] = list_models(self.run_root)
        return done


@in_python
def register(name: str, run: Run | str, run_root: Path | str = DEFAULT_ROOT) -> Result:
    """As ModelList.register. Raises RunFolderError for a run without a model, or a name that no model can have."""
    run = model_registry.find_run(run, run_root)
    if not run.model.is_dir():
        fix = "finish it: run the command that made it again"
        raise RunFolderError(f"run {run.name!r} has no model yet, it is {run.status}", fix=fix)

    if (run.folder / "evaluation.json").exists():
        facts = model_registry.facts_of(run.read_json("evaluation.json"))
    else:
        facts = {}

    version = model_registry.register(name, run, facts, run_root)
    return Result(name=name, version=version, run=run.name)


@in_python
def promote(name: str, version: int, run_root: Path | str = DEFAULT_ROOT) -> Result:
    """As ModelList.promote."""
    model_registry.promote(name, version, run_root)
    return Result(name=name, current=version)


@in_python
def roll_back(name: str, run_root: Path | str = DEFAULT_ROOT) -> Result:
    """As ModelList.roll_back."""
    return Result(name=name, current=model_registry.roll_back(name, run_root))
