"""Which model a name means: bases and runs that the service was started with, named models, and what jobs made.

Everything is looked up at each request, so that the model of a job answers as soon as the job is done. A model of
another project is not found, in the same words as one that does not exist.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Row, select

from whet.errors import InputError, RunFolderError, WhetError
from whet.model.saved_model import read_facts
from whet.recipe.bases import NANO, is_base, refuse_missing_base
from whet.server.bases import listed_name
from whet.server.database.opening import Database
from whet.server.database.tables import models
from whet.server.errors import ApiError, not_found
from whet.server.settings import Settings
from whet.store.model_registry import Trial, find_model, find_run, list_models, meant, run_of, weights_of
from whet.store.run import DEFAULT_ROOT, Run

TUNED = "ft:"
"""What names of models begin with that jobs made."""
OWNER = "whet"
"""Who owns what the service was started with."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A name, and where its weights are."""

    name: str
    base: str | None
    """As load_base takes it; None for a trained model, whose own facts say it, and for one that is another engine's
    alone."""
    folder: Path | None
    """The model folder of a trained model."""
    run: Run | None = None
    """The run around it; None for a checkpoint."""
    parent: str | None = None
    """The model that it was trained from, by its name here."""
    root: str = ""
    """What it is a name of: itself, or the target of an alias."""
    created: int = 0
    owner: str = OWNER
    project: str | None = None
    """Whose it is; None: everybody's."""
    named: str = ""
    """Of a named model, the version that this is: "desk@2"."""
    trial: Trial | None = None
    """The version that is tried beside it, where its name alone was asked for."""

    @property
    def version(self) -> str:
        """What the name means now: a base, a run of the command line, or the model of a job."""
        if self.run is not None and self.project is None:
            return self.run.name
        return self.root or self.name

    def facts(self) -> dict[str, object]:
        """As OpenAI's clients read a model."""
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": self.owner,
            "parent": self.parent,
            "root": self.root or self.name,
        } | self._traffic()

    def _traffic(self) -> dict[str, object]:
        if self.trial is None:
            return {}
        tried = {"kind": self.trial.kind, "version": self.trial.version, "share": self.trial.share}
        return {"traffic": tried | {"live": self.trial.live}}


class Catalogue:
    """Raises InputError where the service was started with a name that is none."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.started = int(time.time())
        self.bases: dict[str, ServedModel] = {}
        self.runs: dict[str, str] = {}
        """Runs and named models that were asked for by name: what find_run takes."""
        for name in settings.models:
            self._take_up(name)
        for name in settings.engine_models:
            self._take_up_there(name)
        for alias, target in settings.aliases.items():
            self._refuse_hidden(alias, target)

    def find(self, name: str, project: str) -> ServedModel:
        """Raises ApiError 404 for a name that means nothing to this project."""
        found = self._find(name, project)
        if found is None and name in self.settings.aliases:
            target = self.settings.aliases[name]
            found = self._find(target, project)
            if found is not None:
                found = replace(found, name=name, root=target)
        if found is None:
            raise not_found("model", name, "model")
        return found

    def tried(self, served: ServedModel) -> ServedModel:
        """The version that is tried beside this one, under the same name. Raises RunFolderError where its run is gone,
        or holds other weights than were registered."""
        assert served.trial is not None
        model = find_model(served.named.partition("@")[0], self.root)
        number = served.trial.version
        run = run_of(model, number, self.root)
        registered = model.version(number).weights
        if registered and registered != weights_of(run):
            raise RunFolderError(f"{model.name}@{number} has other weights than when it was registered")
        named = f"{model.name}@{number}"
        return replace(self._of_run(served.name, run), root=named, named=named)

    def listed(self, project: str) -> list[ServedModel]:
        """Everything that this project may ask, by name."""
        names = [*self.bases, *self.runs, *self._named(), *self.settings.aliases]
        found = {name: self._there(name, project) for name in dict.fromkeys(names)}
        with self.database.read() as connection:
            rows = connection.execute(
                select(models).where(models.c.project == project).order_by(models.c.created_at)
            ).all()
        made = [self._of_row(row) for row in rows]
        return [one for one in (*found.values(), *made) if one is not None]

    def remove(self, name: str, project: str) -> None:
        """Takes a project's own tuned model from the list; the run of its job stays. Raises ApiError 403, 404."""
        with self.database.write() as connection:
            gone = connection.execute(models.delete().where(models.c.name == name, models.c.project == project))
        if gone.rowcount == 0:
            self.find(name, project)
            what = f"{name!r} is served from the start: only models that fine-tuning jobs made can be deleted."
            raise ApiError(403, what, code="model_not_deletable", param="model")

    def _take_up(self, name: str) -> None:
        if is_base(name):
            refuse_missing_base(name)
            entry = ServedModel(listed_name(name), name, None, created=self.started)
            known = self.bases.setdefault(entry.name, entry)
            if known.base != name:
                what = f"two bases would be served as {entry.name!r}"
                raise InputError(what, where="models", value=name, fix="rename one of the folders")
            return

        run = find_run(name, self.root)
        read_facts(run.model)
        self.runs[run.name if "/" in name else name] = name

    def _take_up_there(self, name: str) -> None:
        """A name that means nothing here is one of the engine's own models."""
        known = (self.bases, self.runs, self.settings.aliases, self._named())
        if not name.startswith(TUNED) and not any(name in names for names in known):
            self.bases[name] = ServedModel(name, None, None, created=self.started)

    def _refuse_hidden(self, alias: str, target: str) -> None:
        if alias in self.bases or alias in self.runs:
            what = f"this is the name of a model that is served, and cannot mean {target!r}, too"
            raise InputError(what, where="aliases", value=alias, fix="choose another name")

    @property
    def root(self) -> Path:
        """The folder of runs whose list of models is read."""
        return self.settings.runs or DEFAULT_ROOT

    def _find(self, name: str, project: str) -> ServedModel | None:
        if name in self.bases:
            return self.bases[name]
        if name in self.runs:
            return self._of_reference(name, self.runs[name])
        if name.partition("@")[0] in self._named():  # nothing else reaches find_run, which takes paths, too
            return self._of_reference(name, name)

        with self.database.read() as connection:
            row = connection.execute(select(models).where(models.c.name == name, models.c.project == project)).first()
        return self._of_row(row) if row else None

    def _there(self, name: str, project: str) -> ServedModel | None:
        """None where it is gone: a list of models tells of the others."""
        try:
            return self.find(name, project)
        except (ApiError, WhetError):
            return None

    def _named(self) -> list[str]:
        """Named models of the command line that a version stands for."""
        if self.settings.runs is None:
            return []
        return [one.name for one in list_models(self.settings.runs) if meant(one, self.settings.runs) is not None]

    def _of_reference(self, name: str, reference: str) -> ServedModel:
        """`reference` is what find_run takes."""
        called, _, wanted = reference.partition("@")
        model = next((one for one in list_models(self.root) if one.name == called), None)
        if model is None or wanted or model.current is None:
            run = find_run(reference, self.root)
            numbers = [] if model is None else [one.version for one in model.versions if one.run == run.name]
            number = int(wanted) if wanted else max(numbers, default=None)
            named = f"{called}@{number}" if model and number else ""
            return replace(self._of_run(name, run), named=named)

        run = run_of(model, model.current, self.root)
        return replace(self._of_run(name, run), named=f"{called}@{model.current}", trial=model.trial)

    def _of_run(self, name: str, run: Run) -> ServedModel:
        facts = read_facts(run.model)
        created = int((run.model / "whet.json").stat().st_mtime)
        return ServedModel(name, None, run.model, run, parent=self._name_of_base(facts["base"]), created=created)

    def _of_row(self, row: Row) -> ServedModel:
        folder = self.settings.home / row.folder
        run = None
        if (folder / "run.json").is_file():
            run = Run(folder)
        elif folder.name == "model" and (folder.parent / "run.json").is_file():
            run = Run(folder.parent)
        return ServedModel(
            row.name,
            None,
            run.model if run else folder,
            run,
            parent=row.parent,
            created=int(row.created_at),
            owner=row.project,
            project=row.project,
        )

    def _name_of_base(self, base: str) -> str:
        same = (one.name for one in self.bases.values() if one.base and _place(one.base) == _place(base))
        return next(same, listed_name(base))


def _place(base: str) -> str:
    path = Path(base).expanduser()
    return str(path.resolve()) if base != NANO and path.exists() else base
