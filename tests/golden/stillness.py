"""One thread, a clock that stands, no network, a terminal of one width: what makes two makings alike.

Import and call `stand_still` before anything of whet.
"""

from __future__ import annotations

import datetime
import itertools
import os
import time
from pathlib import Path
from typing import Any

NOON = (2026, 11, 29, 12, 0, 0)
TICK = 1 / 1024
"""What passes between two looks at the stopwatch: choices that are made by time are then made alike each time."""

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "COLUMNS": "120",
    "LINES": "60",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "TZ": "UTC",
    "CI": "",
}


class Noon(datetime.datetime):
    """It is always the same noon."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return cls(*NOON, tzinfo=tz)

    @classmethod
    def utcnow(cls) -> Any:
        return cls(*NOON)

    @classmethod
    def today(cls) -> Any:
        return cls(*NOON)


def stand_still(settings: Path) -> None:
    """For the rest of this process; `settings` is an empty folder in the place of the user's own settings."""
    os.environ.update(ENVIRONMENT | {"XDG_CONFIG_HOME": str(settings)})
    os.environ.pop("FORCE_COLOR", None)
    time.tzset()
    ticks = itertools.count()
    datetime.datetime = Noon
    time.perf_counter = lambda: next(ticks) * TICK
    import torch

    torch.set_num_threads(1)
