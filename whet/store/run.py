"""A run is a folder of plain files that a person can read.

run.json                 name, hashes of the recipe and the data, when it was created
recipe.yaml              what was asked for            recipe.resolved.yaml  with the rules' choices filled in
choices.json             each choice with its reason   environment.json      versions and machine
ledger.json, rows.jsonl  the fate of every input row   selfcheck.json        fast path against plain path
metrics.jsonl            one line a step               checkpoints/{last,best}/
model/                   the final adapter or weights  evaluation.json, answers.jsonl, report.html
checksums.json           of the files above: what a resume reads must be what was written
asked.jsonl              what base and tuned model answered, so that nothing is asked twice
judgements.jsonl         what people preferred, as preference rows; judgements-even.jsonl: ties and what was skipped
judged/                  what language models said of answers
status.json              preparing training evaluating done failed stopped
imported.json            of a model that others trained: where it was taken from
elsewhere.json           of a run whose model was trained by a service, and is there: which, files, job, its name
events.jsonl             what the service said of that job
retrained.json           of the next version of a named model: of which run, how, and on which base the first one stood
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

from whet.errors import InputError, RunFolderError, WhetError, nearest
from whet.recipe.load import dump_recipe, load_recipe
from whet.recipe.schema import Recipe
from whet.store import checksums, identity
from whet.store.atomic import (
    append_line,
    json_text,
    make_folder,
    plain,
    recover_folder,
    remove,
    sweep,
    write_pieces,
    write_text,
)
from whet.store.lock import Lock
from whet.store.named_files import named_files
from whet.store.old_keys import take_out_keys
from whet.store.reading import iter_lines, read_json_file, read_lines
from whet.store.unchanged import refuse_changed_files, refuse_other_run
from whet.text.dates import now

Status = Literal["preparing", "training", "evaluating", "done", "failed", "stopped"]
WORKING = ("preparing", "training", "evaluating")
DEFAULT_ROOT = Path("runs")
METRICS = "metrics.jsonl"
LOOK_PATIENCE = 30.0
"""Seconds until a look gives up where locks cannot be shared."""
IMPORTED = "imported.json"
"""Where a model that others trained was taken from."""
ELSEWHERE = "elsewhere.json"
"""Of a run whose model a service trained (whet/launcher): where the model is."""
MADE_FROM = "retrained.json"
"""Of a run that is the next version of another: how, of which, and on which base all versions before it stand."""
JUDGED = "judged"
"""Folder of a run: what language models said of answers, so that nobody is asked twice."""


class StatusFacts(TypedDict, total=False):
    """status.json; empty before a run has one."""

    status: Status
    updated: str
    pid: int
    reason: str
    """Why it failed or was stopped."""
    error: str
    """Read before `reason`, where a run has it."""


class RunFacts(TypedDict, total=False):
    """run.json."""

    name: str
    recipe_sha256: str
    data_sha256: str
    created: str
    """ISO date."""
    working_folder: str
    files: dict[str, Any]
    """What the recipe names, with what was in it (whet/store/named_files.py)."""
    accepted_changes: list[dict[str, Any]]


class ChoiceFacts(TypedDict):
    """A line of choices.json: a key that a rule filled in (whet.recipe.methods.usual.Choice)."""

    key: str
    value: Any
    reason: str


class Run:
    """Use `Run.create` or `Run.open`, and `with run.working():` around everything that writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = Lock(folder / "run.lock", f"run {folder.name!r}")
        for final in (self.checkpoint("last"), self.checkpoint("best"), self.model):
            recover_folder(final)

    def __repr__(self) -> str:
        try:
            status = self.status
        except WhetError:
            status = "damaged"
        return f"Run({str(self.folder)!r}): {status}"

    @classmethod
    def create(cls, root: Path | str, recipe: Recipe, name: str | None = None, accept_changed: bool = False) -> Run:
        """The folder for this recipe: a new one, or the one that the same command made before (then it resumes).

        Raises RunFolderError when `name` is taken by another recipe or other data, when a file that the recipe names
        has changed (unless `accept_changed`), or the folder cannot be written.
        """
        recipe_hash, data_hash = identity.identity(recipe)
        name = name or identity.default_name(recipe, recipe_hash, data_hash)
        identity.check_name(name)
        folder = Path(root) / name
        facts = {"name": name, "recipe_sha256": recipe_hash, "data_sha256": data_hash}

        if (folder / "run.json").exists():
            with checksums.damage_first(folder):
                refuse_other_run(cls(folder), facts, recipe)
        else:
            make_folder(folder)
            if any(not inner.name.startswith(".") for inner in folder.iterdir()):
                fix = "choose another --name, or move the folder"
                raise RunFolderError("this folder exists and is not a run", where=str(folder), fix=fix)

            run = cls(folder)
            begun = {"created": now(), "working_folder": os.getcwd(), "files": named_files(recipe)}
            run.write_json("run.json", facts | begun)

        run = cls(folder)
        if not (folder / "recipe.yaml").exists():  # a new run, or one that was killed at this very place
            run.write_text("recipe.yaml", dump_recipe(recipe))
            run.set_status("preparing")

        with checksums.damage_first(folder):
            run.follow_data(recipe)
        refuse_changed_files(run, recipe, accept_changed)
        return run

    @classmethod
    def open(cls, path_or_name: Path | str, root: Path | str = DEFAULT_ROOT) -> Run:
        """An existing run, by folder or by name. Raises RunFolderError with the nearest name."""
        if not str(path_or_name).strip():
            raise RunFolderError("the name of the run is empty", fix="list the runs with: whet runs")

        for folder in (Path(path_or_name), Path(root) / path_or_name):
            if (folder / "run.json").is_file():
                read_json_file(folder / "run.json")
                return cls(folder)

        folder = Path(path_or_name)
        if folder.is_dir():
            raise RunFolderError("not a run: it has no run.json", where=str(folder), fix="see: whet runs")

        known = sorted(p.parent.name for p in Path(root).glob("*/run.json"))
        raise RunFolderError(
            f"there is no run {str(path_or_name)!r} in {root}/{nearest(str(path_or_name), known)}",
            fix="list the runs with: whet runs" if known else "make one with: whet tune DATA",
        )

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def checkpoint(self, which: Literal["last", "older", "best"]) -> Path:
        return self.folder / "checkpoints" / which

    @property
    def status(self) -> str:
        """The last status word; `interrupted` when the process that was at work has died."""
        word = str(self.status_facts().get("status", "preparing"))
        if word in WORKING and not self.lock.busy:
            return "interrupted"
        return word

    def status_facts(self) -> StatusFacts:
        if (self.folder / "status.json").exists():
            return self.read_json("status.json")
        return {}

    def set_status(self, word: Status, **facts: Any) -> None:
        if word not in get_args(Status):
            raise ValueError(f"{word!r} is not a status; known: {', '.join(get_args(Status))}")
        self.write_json("status.json", {"status": word, "updated": now(), "pid": os.getpid(), **facts})

    @contextmanager
    def working(self) -> Iterator[None]:
        """Holds the lock. Work that ends in an error says so in the status; a run whose input was refused before
        anything was decided leaves nothing behind. Raises RunFolderError for a file that is not what the run wrote."""
        refused = False
        try:
            with self.lock:
                self._sweep()
                checksums.refuse_damaged(self.folder)

                try:
                    yield
                except BaseException as error:
                    refused = isinstance(error, InputError) and not (self.folder / "recipe.resolved.yaml").exists()
                    word: Status = "failed" if isinstance(error, Exception) else "stopped"
                    with suppress(WhetError):  # the disk may be full; the error itself says so
                        self.set_status(word, reason=str(error) or f"{word} by {type(error).__name__}")
                    raise
        finally:
            if refused:
                remove(self.folder)

    def _sweep(self) -> None:
        """What killed processes left in this run, in the cache beside it, and of the list of models."""
        sweep(self.folder, deep=True)
        for folder in (self.folder.parent, self.folder.parent / "cache"):
            sweep(folder)

    def refuse_damaged_files(self) -> None:
        """Before more work is done on it: files that are read only at its end. Raises RunFolderError."""
        for path in sorted([*self.folder.glob("*.json"), *(self.folder / JUDGED).glob("*.json")]):
            if path.name == "choices.json":
                self.choices()
            else:
                read_json_file(path)

        for path in sorted(self.folder.glob("*.jsonl")):
            for _ in iter_lines(path):
                pass

    def choices(self) -> list[ChoiceFacts]:
        """What the rules chose, each with its reason; none where nothing was. Raises RunFolderError."""
        path = self.folder / "choices.json"
        if path.exists():
            found = read_json_file(path)
        else:
            found = []

        for number, choice in enumerate(found):
            if not isinstance(choice, dict) or not {"key", "value", "reason"} <= choice.keys():
                what = f"this file is damaged: choice {number + 1} has no key, value or reason"
                fix = "restore it from a backup, or start a new run with another --name"
                raise RunFolderError(what, where=str(path), value=choice, fix=fix)

        return found

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Holds the lock for work that asks about a run: whatever becomes of it, the run's status stays what it was."""
        with self.lock:
            checksums.refuse_damaged(self.folder)
            before = self.status_facts()

            try:
                yield
            finally:
                with suppress(WhetError):  # the disk may be full; the error itself says so
                    self.write_json("status.json", before)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """As `reading`, for work that writes nothing into the run: several may look at once, and none while another
        process works on the run. Raises RunFolderError where one does."""
        patience = LOOK_PATIENCE if os.name == "nt" else 0.0
        with Lock(self.lock.path, self.lock.what, patience, shared=True):
            checksums.refuse_damaged(self.folder)
            yield

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe, or the one asked for before it is resolved; relative paths work from here."""
        resolved = self.folder / "recipe.resolved.yaml"
        if resolved.exists():
            return self._recipe(resolved.name)
        return self.requested

    @property
    def imported(self) -> bool:
        """Whether others trained its model."""
        return (self.folder / IMPORTED).is_file()

    @property
    def elsewhere(self) -> bool:
        """Whether a service trained its model, and has it."""
        return (self.folder / ELSEWHERE).is_file()

    def refuse_elsewhere(self) -> None:
        """Raises RunFolderError for a run whose model is not here."""
        if self.elsewhere:
            facts = self.read_json(ELSEWHERE, "url")
            name = facts.get("tuned_model") or "not trained yet"
            what = f"the model of run {self.name!r} is at {facts['url']} ({name}), and no weights of it are here"
            fix = "ask it there; its verdict, report and answers are in the run: whet runs show " + self.name
            raise RunFolderError(what, where=str(self.folder), fix=fix)

    @property
    def requested(self) -> Recipe:
        """The recipe as it was asked for, without what the rules filled in."""
        return self._recipe("recipe.yaml")

    def _recipe(self, name: str) -> Recipe:
        take_out_keys(self.folder / name)
        return load_recipe(self.folder / name, folder=Path(self.read_json("run.json").get("working_folder", ".")))

    def follow_data(self, recipe: Recipe) -> None:
        """The same data may be elsewhere by now: from here on the run reads it where `recipe` says."""
        if _places(self.requested) == _places(recipe):
            return

        checksums.refuse_damaged(self.folder)  # a damaged recipe names other places, too
        self.write_json("run.json", self.read_json("run.json") | {"working_folder": os.getcwd()})

        for name in ("recipe.yaml", "recipe.resolved.yaml"):
            if (self.folder / name).exists():
                stored = load_recipe(self.folder / name, folder=Path.cwd())
                moved = stored.model_copy(deep=True)
                here = identity.counted_files(recipe)
                for key, file in identity.counted_files(moved).items():
                    if key in here:
                        place = here[key].value
                        if key == "keep.replay":
                            place = place or file.value  # what a rule chose stays
                        setattr(file.holder, file.field, place)

                self.write_text(name, dump_recipe(moved))

    def write_recipe(self, recipe: Recipe) -> None:
        self.write_text("recipe.resolved.yaml", dump_recipe(recipe))

    def write_text(self, name: str, text: str) -> None:
        """A file of the run, which must be the same when the run is resumed."""
        self._write(name, (text.encode("utf-8"),))

    def write_json(self, name: str, value: object) -> None:
        self.write_text(name, json_text(value))

    def read_json(self, name: str, *keys: str) -> Any:
        """Raises RunFolderError when the file is missing or damaged, or has not got these keys."""
        return read_json_file(self.folder / name, *keys)

    def write_lines(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """One JSON object a line; the file appears whole."""
        text = (json.dumps(plain(line), ensure_ascii=False) + "\n" for line in lines)
        self._write(name, (line.encode("utf-8") for line in text))

    def _write(self, name: str, pieces: Iterable[bytes]) -> None:
        digest = hashlib.sha256()

        def counted() -> Iterator[bytes]:
            for piece in pieces:
                digest.update(piece)
                yield piece

        def expected() -> None:
            checksums.expect(self.folder, name, digest.hexdigest())

        write_pieces(self.folder / name, counted(), expected)

    def log(self, facts: dict[str, Any]) -> None:
        """Appends a line to metrics.jsonl."""
        append_line(self.folder / METRICS, json.dumps(plain(facts)))

    def metrics(self) -> list[dict[str, Any]]:
        """All whole lines of metrics.jsonl; a torn last one is left out."""
        return read_lines(self.folder / METRICS)

    def truncate_metrics(self, step: int) -> None:
        """Drops the lines of `step` and later ones: a resumed run writes them again. The validation after so many steps
        is before the checkpoint, and stays."""
        kept = [line for line in self.metrics() if line.get("step", -1) < step + (step > 0 and _is_validation(line))]
        checksums.forget(self.folder, METRICS)
        write_text(self.folder / METRICS, "".join(json.dumps(line) + "\n" for line in kept))


def _places(recipe: Recipe) -> dict[str, object]:
    """Where the files are whose bytes, not places, make the run what it is (identity.data_hash)."""
    places: dict[str, object] = {}
    for key, file in identity.counted_files(recipe).items():
        if file.key.confined:
            places[key] = [os.path.abspath(name) for name in file.listed]
        else:
            places[key] = file.value
    return places


def _is_validation(line: dict[str, Any]) -> bool:
    return any(key.startswith("validation_") for key in line)
