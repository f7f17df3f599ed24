"""The dtype that was found to be faster here, kept: a measurement that something disturbs would else choose another one
for the next run, and the same seed would give other weights."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from whet.errors import WhetError
from whet.planning.machine import Dtype, machine_facts
from whet.store.atomic import write_text
from whet.store.home import cache_home
from whet.store.lock import Lock

PATIENCE = 60.0
"""Seconds to wait for another process that measures."""


def choice_file() -> Path:
    """In Whet's folder of this user's cache. Without it, all is measured again."""
    return cache_home() / "dtypes.json"


def known_choice(size: int) -> tuple[Dtype, str] | None:
    """The dtype and the reason for a model of this hidden size, as measured on this machine with these versions."""
    found = _read().get(str(size))
    return (found["dtype"], found["reason"]) if found else None


def keep_choice(size: int, dtype: Dtype, reason: str) -> tuple[Dtype, str]:
    """What is known afterwards: of two processes that measured at once, what the first one found. Where the folder
    cannot be written, the choice is this run's alone."""
    with suppress(WhetError, OSError), Lock(choice_file().with_suffix(".lock"), "the choice of dtypes", PATIENCE):
        if (known := known_choice(size)) is not None:
            return known
        kept = {"machine": machine_facts(), "sizes": {**_read(), str(size): {"dtype": dtype, "reason": reason}}}
        write_text(choice_file(), json.dumps(kept, indent=1) + "\n")
    return dtype, reason


def _read() -> dict[str, Any]:
    try:
        stored = json.loads(choice_file().read_text("utf-8"))
        if stored["machine"] != machine_facts():
            return {}
        return {size: one for size, one in stored["sizes"].items() if one["dtype"] in ("float32", "bfloat16")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
