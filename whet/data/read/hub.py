"""Datasets on the Hugging Face Hub: `owner/name`, `owner/name:config`, `owner/name:config:split`."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from whet.data.read.class_names import with_class_names
from whet.errors import DataError
from whet.recipe.bases import cached, hub_home, hub_reached

_NAME = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]*){0,2}")
_FILE = re.compile(r"\.(jsonl|ndjson|json|csv|tsv|parquet|txt|md|gz|ya?ml)$", re.IGNORECASE)


def is_name(name: str) -> bool:
    """True for what looks like `owner/name` and is not something on this disk."""
    return bool(_NAME.fullmatch(name)) and not _FILE.search(name) and not Path(name).exists()


def refuse_unreached(name: str) -> None:
    """Raises DataError, within seconds, for a set that was never fetched while the Hub cannot be reached: its library
    would try again for half a minute."""
    owner, _, rest = name.partition(":")[0].partition("/")
    kept = Path(os.environ.get("HF_DATASETS_CACHE") or hub_home() / "datasets")
    if cached("datasets", f"{owner}/{rest}") or any(kept.glob(f"{owner}___{rest}*")) or hub_reached():
        return
    raise DataError(
        "no such file, and the Hub gave no dataset of this name: it cannot be reached",
        where=name,
        fix="check the path and the network",
    )


def rows(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row of the dataset's training split. Raises DataError."""
    for number, value in enumerate(with_class_names(_load(name)), start=1):
        yield f"{name}#{number}", value


def fingerprint(name: str) -> str:
    """The library's own fingerprint of the loaded data."""
    return f"{name}@{_load(name)._fingerprint}"


@lru_cache(maxsize=4)
def _load(name: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise DataError("reading from the Hub needs the package 'datasets'", fix="pip install datasets") from error

    refuse_unreached(name)
    datasets.disable_progress_bars()  # what goes wrong is said below, in one message

    for library in ("datasets", "huggingface_hub"):
        logging.getLogger(library).setLevel(logging.ERROR)
    parts = name.split(":") + ["", ""]

    try:
        return datasets.load_dataset(parts[0], parts[1] or None, split=parts[2] or "train")
    except Exception as error:  # the library raises errors of many packages, none of them documented
        if str(error).strip():
            first = str(error).strip().splitlines()[0]
        else:
            first = type(error).__name__
        raise DataError(
            f"no such file, and the Hub gave no dataset of this name: {first}",
            where=name,
            fix="check the path and the network; `owner/name:config` chooses a configuration",
        ) from error
