"""What a choice has done so far, step by step, in its folder: a step that is done is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whet.selection.budget import Purse
from whet.store.atomic import make_folder, plain, remove, write_json
from whet.store.lock import Lock
from whet.store.reading import optional_json

FOLDER = "choices"
"""Beside the runs: one folder a choice, with choice.json, report.html and progress.json."""
ASKED = ".asked"
"""In it: what servers answered, for all choices; no choice can have this name."""
PROGRESS, RESULT = "progress.json", "choice.json"
UNFINISHED = "unfinished"
"""Key of what steps cost that did not end."""


class Study:
    """`purse` is filled with what was spent before. Raises RunFolderError for a damaged file."""

    def __init__(self, folder: Path, purse: Purse) -> None:
        make_folder(folder)
        self.folder, self.purse = folder, purse
        self.lock = Lock(folder / "choice.lock", f"the choice {folder.name!r}")
        self._known: dict[str, Any] = {}

    def open(self) -> None:
        """Within the lock: reads what is done."""
        self._known = optional_json(self.folder / PROGRESS, {})
        self.purse.seconds = sum(step["seconds"] for step in self._known.values())
        self.purse.server_usd = sum(step["usd"] for step in self._known.values())

    def forget(self) -> None:
        """Of a choice that was refused: the next call looks again."""
        remove(self.folder / PROGRESS)
        self._known = {}

    def knows(self, key: str) -> bool:
        """Whether this step is done."""
        return key in self._known

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, as JSON: made now, or known from before. What it costs is counted in either case."""
        if key not in self._known:
            began, usd = time.perf_counter(), self.purse.server_usd
            try:
                value = make()
            except BaseException:
                before = self._known.get(UNFINISHED, {"value": None, "seconds": 0.0, "usd": 0.0})
                self._keep(UNFINISHED, None, began, usd, before)
                raise
            self._keep(key, value, began, usd)

        return self._known[key]["value"]

    def _keep(self, key: str, value: Any, began: float, usd: float, before: dict[str, Any] | None = None) -> None:
        seconds = time.perf_counter() - began
        self.purse.seconds += seconds
        cost = {"seconds": seconds, "usd": self.purse.server_usd - usd}
        if before is not None:
            cost = {name: cost[name] + before[name] for name in cost}
        self._known[key] = {"value": plain(value), **cost}
        write_json(self.folder / PROGRESS, self._known)
