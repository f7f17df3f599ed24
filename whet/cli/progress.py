"""The observer of long work: a live bar in a terminal, plain lines in a log. Both write to stderr only.

It answers to whet.train.observer: phase(name, total), step(step, total, facts), note(text), done().
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINES = 10
"""Plain lines in a phase that has steps."""
QUIET_SECONDS = 30.0
"""A log never stays silent for longer while steps go on."""


def observer() -> Bar | Lines:
    """What suits stderr."""
    return Bar() if sys.stderr.isatty() else Lines()


def describe(facts: dict[str, Any]) -> str:
    """`loss 1.234  5,678 tokens/s` from whichever of the facts are there."""
    parts = []
    if facts.get("loss") is not None:
        parts.append(f"loss {facts['loss']:.3f}")
    if facts.get("reward") is not None:
        parts.append(f"reward {facts['reward']:.3f}")
    if facts.get("validation_loss") is not None:
        parts.append(f"validation {facts['validation_loss']:.3f}")
    if facts.get("tokens_per_second"):
        parts.append(f"{facts['tokens_per_second']:,.0f} tokens/s")
    return "  ".join(parts)


class Lines:
    """For logs, pipes and CI."""

    def __init__(self) -> None:
        self._name, self._start, self._last = "", 0.0, 0.0

    def phase(self, name: str, total: int | None = None) -> None:
        self._name, self._start, self._last = name, time.monotonic(), time.monotonic()
        print(f"{name} ..." if total is None else f"{name}: {total:,} steps", file=sys.stderr, flush=True)

    def step(self, step: int, total: int | None, facts: dict[str, Any]) -> None:
        every = max(1, (total or 100) // LINES)
        now = time.monotonic()
        if step % every and step != total and now - self._last < QUIET_SECONDS:
            return
        self._last = now
        of = f"/{total}" if total else ""
        left = f"  {(total - step) * (now - self._start) / step:.0f} s left" if total and 0 < step < total else ""
        print(f"  {self._name} {step}{of}  {describe(facts)}{left}".rstrip(), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    def done(self) -> None:
        self._name = ""


class Bar:
    """For terminals: one bar for the phase at work, finished phases stay as a line with their time."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._name, self._start = "", 0.0

    def phase(self, name: str, total: int | None = None) -> None:
        self._finish()
        self._name, self._start = name, time.monotonic()
        if self._progress is None:
            self._progress = new_progress()
            self._progress.start()
        self._task = self._progress.add_task(name, total=total, facts="")

    def step(self, step: int, total: int | None, facts: dict[str, Any]) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=step, total=total, facts=describe(facts))

    def note(self, text: str) -> None:
        if self._progress is None:
            print(f"  {text}", file=sys.stderr)
        else:
            self._progress.console.print(f"  {text}", style="dim", markup=False, highlight=False)

    def done(self) -> None:
        self._finish()
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _finish(self) -> None:
        if self._progress is None or self._task is None:
            return
        self._progress.remove_task(self._task)
        self._task = None
        seconds = time.monotonic() - self._start
        self._progress.console.print(f"[green]✓[/] {self._name} [dim]{seconds:.1f} s[/]", highlight=False)


def new_progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("[cyan]{task.fields[facts]}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
