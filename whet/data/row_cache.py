"""Prepared rows as a folder that is found again by its content: `rows-<key>` in the cache beside the runs.

    ids.bin, runs.bin   the segments (whet/data/batches/segment_files.py)
    columns.npz         one number a segment, and the ledger's columns
    test_rows.jsonl     the rows of the test part, which an evaluation asks about
    facts.json          shape, notes, the ledger's words, and the sha256 of the files above
    facts.sha256        of facts.json

The key covers the bytes of the data, tokenizer and template, the recipe as far as it changes rows, and Whet's own code.
A folder appears whole or not at all. It is checked when it is opened; the folders that were used longest ago go when
there are too many.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from whet.data.cache_key import made_by
from whet.data.read.source import fingerprint, labels
from whet.data.render.renderer import Renderer
from whet.data.retrieval.documents import documents_fingerprint
from whet.data.retrieval.encoders.opening import folder_of as folder_of_encoder
from whet.data.retrieval.encoders.opening import identity_of
from whet.recipe.external import is_function
from whet.recipe.schema import Recipe
from whet.recipe.sections.retrieval import Retrieval
from whet.store.atomic import remove, sha256_file, write_json, write_text
from whet.types import Row

LARGEST = 4_000_000_000
"""Bytes of all row folders in a cache; the newest one stays however large it is."""
DEAD_SECONDS = 24 * 3600
"""Age of a half-written folder from which nobody can still be writing it."""
ROW_KEYS = {"format", "columns", "dialect", "join_labels", "system", "retrieval", "split", "seed", "too_long"}
"""Keys of the recipe that change which rows there are, what they hold, or which part they are in. Not the method,
but for what it says itself (`cache_key`): the form of the rows does not depend on it, and one that does not fit them is
refused."""
FACTS, SEAL, COLUMNS, TEST_ROWS = "facts.json", "facts.sha256", "columns.npz", "test_rows.jsonl"


class CacheDamaged(Exception):
    """The folder is not what was written."""


def folder_of(cache: Path, recipe: Recipe, renderer: Renderer, limit: int | None) -> Path:
    """Where the prepared rows of this recipe are, or would be. Raises DataError for data that cannot be read."""
    parts = [
        json.dumps(recipe.model_dump(include=ROW_KEYS), sort_keys=True),
        str(limit),
        recipe.method.cache_key(),
        *(["columns of the rows"] if is_function(recipe.evaluate.metric) else []),
        renderer.fingerprint,
        documents_fingerprint(Path(recipe.retrieval.documents).expanduser()) if recipe.retrieval else "",
        *_encoder(recipe.retrieval),
        made_by("whet.data.prepare"),
        *(part for data in (recipe.data, recipe.test) if data for part in (fingerprint(data), *labels(data), "")),
    ]
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    return cache / f"rows-{digest[:24]}"


def _encoder(settings: Retrieval | None) -> list[str]:
    """The files of an encoder that finds passages; of one at a URL its name alone is known, which the recipe holds."""
    if settings is None or settings.encoder is None or settings.encoder_at is not None:
        return []
    return [identity_of(folder_of_encoder(settings.encoder))]


def seal(folder: Path, columns: dict[str, np.ndarray], test_rows: list[Row], facts: Mapping[str, Any]) -> None:
    """Complete a folder that holds the segments. Test rows that JSON cannot hold (dates from a Parquet file) are left
    out, and then read from the data each time."""
    np.savez(folder / COLUMNS, **columns)  # pyright: ignore[reportArgumentType]
    lines = _as_json(test_rows)
    if lines is not None:
        write_text(folder / TEST_ROWS, lines)
    files = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    write_json(folder / FACTS, {**facts, "files": files})
    write_text(folder / SEAL, sha256_file(folder / FACTS))


def unseal(folder: Path) -> tuple[dict[str, np.ndarray], list[Row] | None, dict[str, Any]]:
    """(columns, test rows, facts) as they were sealed. Raises CacheDamaged."""
    try:
        if (folder / SEAL).read_text() != sha256_file(folder / FACTS):
            raise CacheDamaged(f"{FACTS} has changed")

        facts = json.loads((folder / FACTS).read_text("utf-8"))
        for name, digest in facts["files"].items():
            if sha256_file(folder / name) != digest:
                raise CacheDamaged(f"{name} has changed")

        with np.load(folder / COLUMNS, allow_pickle=False) as stored:
            columns = {name: stored[name] for name in stored.files}
        rows = None

        if TEST_ROWS in facts["files"]:
            rows = [Row(**json.loads(line)) for line in (folder / TEST_ROWS).read_text("utf-8").splitlines()]
        os.utime(folder)  # used just now
        return columns, rows, facts
    except OSError as error:
        raise CacheDamaged(f"{Path(error.filename or folder).name}: {error.strerror}") from error
    except ValueError as error:  # bytes that are no text, no JSON
        raise CacheDamaged(str(error)) from error


def evict(cache: Path, keep: Path) -> None:
    """Remove the folders that were used longest ago while there are too many bytes, and what killed runs left."""
    for dead in cache.glob(".rows-*.tmp"):
        if time.time() - dead.stat().st_mtime > DEAD_SECONDS:
            remove(dead)

    room = LARGEST - _bytes(keep)
    others = sorted((path for path in cache.glob("rows-*") if path != keep), key=_age)
    for folder in others:
        room -= _bytes(folder)
        if room < 0:
            shutil.rmtree(folder, ignore_errors=True)


def _age(folder: Path) -> float:
    return time.time() - folder.stat().st_mtime


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _as_json(rows: list[Row]) -> str | None:
    """One row a line; None where a row would come back as another."""
    try:
        lines = [json.dumps(asdict(row)) for row in rows]
    except (TypeError, ValueError):
        return None

    same = all(Row(**json.loads(line)) == row for line, row in zip(lines, rows, strict=True))
    if same:
        return "".join(line + "\n" for line in lines)
    return None
