"""How a verb imports what it works with: without looking for garbage among it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STARTING = "starting"
"""The first phase of a verb that works for long: torch and transformers take some seconds to import."""


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Within this block nothing is searched for garbage, and what is there at its end never will be.

    torch and transformers make half a million objects that live as long as the process. Python walks over all of them
    again and again meanwhile, and in every full collection afterwards: a second of a start. For the command line
    alone, which owns its process; a process that has imported whet.api already is left as it is.
    """
    if "whet.api" in sys.modules:
        yield
        return

    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
