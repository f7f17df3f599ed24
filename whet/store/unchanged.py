"""What must be as it was for a run to go on: its recipe, its data, the files that it names, the fate of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from whet.errors import RunFolderError
from whet.recipe.schema import Recipe
from whet.store import identity
from whet.store.named_files import changed, named_files
from whet.store.reading import iter_lines, read_json_file
from whet.text.dates import now

if TYPE_CHECKING:
    from whet.store.run import Run

ACCEPTED = "accepted_changes"
"""Key of run.json and of ledger.json."""


def refuse_other_run(run: Run, facts: dict[str, str], recipe: Recipe) -> None:
    stored, fix = run.read_json("run.json"), "choose another --name, or leave it out"
    if stored.get("recipe_sha256") != facts["recipe_sha256"]:
        if (run.folder / "recipe.yaml").exists():
            keys = f": {identity.differing(recipe, run.requested)}"
        else:
            keys = ""
        raise RunFolderError(f"this run was made with another recipe{keys}", where=str(run.folder), fix=fix)
    if stored.get("data_sha256") != facts["data_sha256"]:
        raise RunFolderError("this run was made with other data", where=str(run.folder), fix=fix)


def refuse_changed_data(run: Run) -> None:
    """Raises RunFolderError when the data is not the data that was trained on: a row that is held out of it now
    may have been learned then."""
    recipe = run.recipe
    if identity.data_hash(recipe) != run.read_json("run.json").get("data_sha256"):
        raise RunFolderError(
            "the data is not the data that this run was trained on: it has changed, or it is gone",
            where=f"run {run.name}",
            value=recipe.data if recipe.test is None else [recipe.data, recipe.test],
            fix="restore the data; or tune again on the new data, which makes another run",
        )


def refuse_changed_files(run: Run, recipe: Recipe, accept: bool = False, measured_anew: bool = False) -> None:
    """Every file that the recipe names must be what it was when the run began; a run that has learned nothing yet
    takes what is there. With `accept` the change is written down; a finished run, whose result would stay what it
    is, takes none unless it is `measured_anew`. Raises RunFolderError."""
    facts, found = run.read_json("run.json"), named_files(recipe)
    names = changed(facts.get("files", {}), found)
    if not names:
        return

    finished = (run.folder / "evaluation.json").exists() and not measured_anew
    if not _has_learned(run):
        run.write_json("run.json", facts | {"files": found})
        return
    if not accept or finished:
        if finished:
            also = ""
        else:
            also = ", or go on with the new content (it is noted in ledger.json): --accept-changed"
        raise RunFolderError(
            f"a file that the recipe names is not what it was when this run {'ended' if finished else 'began'}, or "
            "it is gone",
            where=f"run {run.name}",
            value=", ".join(names),
            fix=f"restore it; or start a new run with another --name{also}",
        )

    noted = [
        {"file": name, "before": facts["files"][name], "after": found[name], "step": _step(run), "at": now()}
        for name in names
    ]
    run.write_json("run.json", facts | {"files": found, ACCEPTED: [*facts.get(ACCEPTED, []), *noted]})


def accepted_changes(run: Run) -> dict[str, Any]:
    """For the ledger: which named files were changed on purpose, and from which step on; empty where none was."""
    facts = run.read_json("run.json")
    if facts.get(ACCEPTED):
        return {ACCEPTED: facts[ACCEPTED]}
    return {}


def refuse_other_rows(run: Run, lines: Iterable[dict[str, Any]]) -> None:
    """Every row must have the fate that it had when training began: a change of recipe.resolved.yaml, of the base
    or of Whet itself must not let a row that was learned become one that is tested. Raises RunFolderError."""
    if not (run.folder / "recipe.resolved.yaml").exists() or not (run.folder / "rows.jsonl").exists():
        return
    stored = ((line.get("fate"), line.get("hash")) for line in iter_lines(run.folder / "rows.jsonl"))

    present = ((line["fate"], line["hash"]) for line in lines)
    if any(before != after for before, after in zip_longest(stored, present)):
        raise RunFolderError(
            "the rows are held out otherwise than when this run began to train, so its test would not be honest",
            where=str(run.folder / "rows.jsonl"),
            fix="undo what was changed (recipe.resolved.yaml, the base, the version of Whet), or start a new run "
            "with another --name",
        )


def _has_learned(run: Run) -> bool:
    return run.model.exists() or any(run.checkpoint(which).exists() for which in ("last", "older"))


def _step(run: Run) -> int | None:
    """The step of the last checkpoint, from which the run goes on; None once it is trained."""
    if run.model.exists():
        return None
    for which in ("last", "older"):
        if run.checkpoint(which).exists():
            return int(read_json_file(run.checkpoint(which) / "progress.json", "step")["step"])
    return 0
