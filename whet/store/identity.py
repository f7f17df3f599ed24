"""Which run a command means: a hash of the recipe and of the bytes of its data."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from whet.errors import DataError
from whet.recipe.keep import BASE, NOTHING
from whet.recipe.places import is_function
from whet.recipe.schema import Recipe
from whet.store.atomic import sha256_file, sha256_text


def data_digest(data: str | list[str]) -> str:
    """sha256 over the bytes and the format of every file (of a folder: all its files, sorted); a Hub name stands for
    itself. The format is the end of the name: the same bytes are other rows as .csv and as .jsonl.

    Raises DataError for a file that can not be read.
    """
    digest = hashlib.sha256()
    for name in [data] if isinstance(data, str) else data:
        path = Path(name).expanduser()
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            digest.update((_digest(file) + file.suffix.lower() if file.is_file() else name).encode())
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
    aside = {"data": True, "test": True, "compare": True, "retrieval": {"documents"}}
    asked = recipe.model_dump(mode="json", exclude=aside)
    for key in ("replay", "prompts"):
        if asked["keep"][key] not in (None, BASE, NOTHING):
            asked["keep"][key] = "a file"
    asked["forgetting"]["suites"] = ["a file" for _ in recipe.forgetting.suites]
    if is_function(recipe.evaluate.metric):
        asked["evaluate"]["metric"] = "a file:" + recipe.evaluate.metric.rpartition(":")[2]
    return sha256_text(json.dumps(asked, sort_keys=True)), data_hash(recipe)


def data_hash(recipe: Recipe) -> str:
    """sha256 over the data of a recipe, its test file, its documents, what it replays, its suites, and the file of a
    metric of one's own."""
    documents = recipe.retrieval.documents if recipe.retrieval else None
    own = recipe.evaluate.metric.rpartition(":")[0] if is_function(recipe.evaluate.metric) else None
    named = (recipe.test, documents, recipe.keep.replay, recipe.keep.prompts, *recipe.forgetting.suites, own)
    beside = [name for name in named if name and name not in (BASE, NOTHING)]
    data = data_digest(recipe.data)
    return sha256_text("".join([data, *map(data_digest, beside)])) if beside else data


def default_name(recipe: Recipe, recipe_sha256: str, data_sha256: str) -> str:
    """`<stem of the data>-<8 hex>`: the same command finds the same folder again, and so resumes."""
    first = recipe.data if isinstance(recipe.data, str) else recipe.data[0]
    stem = re.sub(r"[^a-z0-9]+", "-", Path(first).name.split(".")[0].lower()).strip("-")[:40] or "run"
    return f"{stem}-{sha256_text(recipe_sha256 + data_sha256)[:8]}"
