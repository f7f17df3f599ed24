"""What a measured process knows about itself, and the one JSON line with which it ends.

A measurement is a fresh process, so that its peak memory and its caches are its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def peak_memory() -> int:
    """Bytes of memory at the highest, of this process since its start (VmHWM; Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM; the benchmark measures memory on Linux only")


def seconds_alive() -> float:
    """Seconds since this process was started, the interpreter's own start included (Linux)."""
    started = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    return float(Path("/proc/uptime").read_text().split()[0]) - started


class Steps:
    """Stamps the end of each step, and turns the stamps into a rate."""

    def __init__(self) -> None:
        self.stamps: list[float] = []
        self.losses: list[float] = []
        self.first_step_seconds = 0.0

    def end(self, loss: float) -> None:
        if not self.stamps:
            self.first_step_seconds = seconds_alive()
        self.stamps.append(time.perf_counter())
        self.losses.append(loss)

    def rate(self, tokens: Sequence[int], beforehand: float = 0.0) -> float:
        """Tokens a second from the end of the first step to the end of the last; `tokens` has one count a step.

        `beforehand` are seconds of work done for all steps before the first; the timed steps are charged their share.
        """
        if len(self.stamps) != len(tokens) or len(tokens) < 2:
            raise ValueError(f"{len(self.stamps)} steps were stamped, but {len(tokens)} were asked for (at least 2)")
        charged = beforehand * sum(tokens[1:]) / sum(tokens)
        return sum(tokens[1:]) / (self.stamps[-1] - self.stamps[0] + charged)


def digest(rows: Iterable[tuple[Sequence[int], Sequence[bool]]]) -> str:
    """sha256 over the token ids of rows in order, and over which of them are learned."""
    found = hashlib.sha256()
    for ids, learned in rows:
        found.update(json.dumps([list(map(int, ids)), list(map(int, learned))]).encode())
    return found.hexdigest()


def finish(**facts: Any) -> None:
    """The last line of a measurement: what it found, as JSON."""
    print(json.dumps(facts | {"peak_memory_bytes": peak_memory()}))
    sys.stdout.flush()
