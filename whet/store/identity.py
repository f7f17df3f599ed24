"""Which run a command means: a hash of the recipe and of the bytes of its data."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from whet.errors import DataError, RunFolderError, count, shorten
from whet.recipe.file_formats import sheet_of
from whet.recipe.files import NamedFile, files_of
from whet.recipe.schema import Recipe
from whet.recipe.sections.keep import BASE, NOTHING
from whet.store.atomic import sha256_file, sha256_text
from whet.text.dotted import dotted

ASIDE: Any = {"data": True, "test": True, "compare": True, "release": True, "retrieval": {"documents"}}
"""Keys that say nothing about which run is meant, or whose files count by their bytes."""
COUNTED = (
    "data",
    "test",
    "retrieval.documents",
    "keep.replay",
    "keep.prompts",
    "forgetting.suites",
    "evaluate.metric",
    "retrieval.encoder",
)
"""Keys whose files count by their bytes (FileKey.counts), in the order of the hash, on which the names of runs hang."""


def data_digest(data: str | list[str]) -> str:
    """sha256 over the bytes and the format of every file (of a folder: all its files, sorted); a Hub name stands for
    itself. The format is the end of the name: the same bytes are other rows as .csv and as .jsonl.

    Raises DataError for a file that can not be read.
    """
    digest = hashlib.sha256()
    for name in [data] if isinstance(data, str) else data:
        path, sheet = sheet_of(name)
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
        else:
            files = [path]

        for file in files:
            digest.update((_digest(file) + file.suffix.lower() if file.is_file() else name).encode())
        digest.update(f"#{sheet}".encode() if sheet is not None else b"")

    return digest.hexdigest()


def _digest(file: Path) -> str:
    try:
        return sha256_file(file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot read the file: {reason}", where=str(file), fix="check its permissions") from error


def identity(recipe: Recipe) -> tuple[str, str]:
    """(recipe_hash, data_hash), each 64 hex digits. Of files in data_hash the bytes count and not the paths; the rivals
    that a run is compared with change nothing about it."""
    return sha256_text(json.dumps(_asked(recipe), sort_keys=True)), data_hash(recipe)


def _asked(recipe: Recipe) -> dict[str, Any]:
    """The keys that say which run is meant."""
    values = recipe.model_dump(mode="json", exclude=ASIDE)
    if not recipe.split.in_order:
        values["split"].pop("in_order")  # a key that came later: runs keep the names that they had before it
    for dotted_key, file in counted_files(recipe).items():
        group, _, key = dotted_key.partition(".")
        if key in values.get(group, {}):
            values[group][key] = file.without_places
    return values


def counted_files(recipe: Recipe) -> dict[str, NamedFile]:
    """The keys whose files count by their bytes, in the order of the hash. A group that the recipe has not is left
    out."""
    files = {file.dotted: file for file in files_of(recipe) if file.key.counts}
    return {key: files[key] for key in COUNTED if key in files}


def differing(asked: Recipe, of_run: Recipe, most: int = 5) -> str:
    """The keys in which two recipes differ that say which run is meant, first those that `asked` sets itself:
    `seed is 1 here and 0 in the run`."""
    here, there, default = (dotted(_asked(recipe)) for recipe in (asked, of_run, Recipe(data="-")))
    keys = [key for key in dict.fromkeys([*here, *there]) if here.get(key) != there.get(key)]
    keys.sort(key=lambda key: here.get(key) == default.get(key))
    told = [f"{key} is {_told(here.get(key))} here and {_told(there.get(key))} in the run" for key in keys]

    if len(keys) > most:
        more = f"; and {count(len(keys) - most, 'more key')}"
    else:
        more = ""

    return "; ".join(told[:most]) + more


def _told(value: object) -> str:
    if value is None:
        return "left out"
    return shorten(value, 40)


def data_hash(recipe: Recipe) -> str:
    """sha256 over the data of a recipe, its test file, its documents, what it replays, its suites, the file of a metric
    of one's own, and its encoder. Documents in a folder called `base` or `none` never counted; to count them would
    rename runs.
    """
    data = data_digest(recipe.data)
    digests = []
    for file in counted_files(recipe).values():
        if file.dotted != "data":
            digests += [data_digest(name) for name in file.names if name not in (BASE, NOTHING)]

    if digests:
        return sha256_text("".join([data, *digests]))
    return data


def default_name(recipe: Recipe, recipe_sha256: str, data_sha256: str) -> str:
    """`<stem of the data>-<8 hex>`: the same command finds the same folder again, and so resumes."""
    if isinstance(recipe.data, str):
        first = recipe.data
    else:
        first = recipe.data[0]
    stem = re.sub(r"[^a-z0-9]+", "-", Path(first).name.split(".")[0].lower()).strip("-")[:40] or "run"
    return f"{stem}-{sha256_text(recipe_sha256 + data_sha256)[:8]}"


def check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        fix = "use letters, digits, '-', '_' and '.', at most 100, starting with a letter or digit"
        raise RunFolderError("this can not be the name of a run", value=name, fix=fix)
