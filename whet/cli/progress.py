"""The observer of long work: a live bar in a terminal, plain lines in a log. Both write to stderr only.

It answers to whet.observer: phase(name, total), step(step, total, facts), pulse(text), note(text), done().
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from whet.errors import count, without_hidden

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINES = 10
"""Plain lines in a phase that has steps."""
LEAST_QUIET, MOST_QUIET = 2.0, 30.0
"""A log is silent for no longer, in seconds: the first while a phase is young, the second however old it is."""
LOOKS = 0.5
"""Seconds between two looks at how long nothing was said."""


_silent = False


def silence(wanted: bool) -> None:
    """Whether the work of this process is to be told while it is done (--quiet)."""
    global _silent
    _silent = wanted


def observer() -> ProgressBar | ProgressLines | Quiet:
    """What suits stderr, and --quiet."""
    if _silent:
        return Quiet()
    return ProgressBar() if sys.stderr.isatty() else ProgressLines()


@contextmanager
def watching(first: str | None = None) -> Iterator[ProgressBar | ProgressLines | Quiet]:
    """An observer for a block, which is done at its end, also after an error; `first` is the phase that it begins
    with."""
    watch = observer()
    if first is not None:
        watch.phase(first)
    try:
        yield watch
    finally:
        watch.done()


class Quiet:
    """Says nothing."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def step(self, step: int, total: int | None, facts: dict[str, Any]) -> None: ...

    def pulse(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def done(self) -> None: ...


def describe(facts: dict[str, Any]) -> str:
    """`loss 1.234  5,678 tokens/s` from whichever of the facts are there."""
    parts = []
    if facts.get("loss") is not None:
        parts.append(f"loss {facts['loss']:.3f}")
    if facts.get("reward") is not None:
        parts.append(f"reward {facts['reward']:.3f}")
    if facts.get("tampered"):
        parts.append(f"{count(round(facts['tampered']), 'answer')} tampered with the tests")
    if facts.get("validation_loss") is not None:
        parts.append(f"validation {facts['validation_loss']:.3f}")
    if facts.get("tokens_per_second"):
        parts.append(f"{facts['tokens_per_second']:,.0f} tokens/s")
    return "  ".join(parts)


def patience(elapsed: float) -> float:
    """Seconds after which a log says that a phase of this age goes on: 2 at first, then a twentieth of its age."""
    return min(MOST_QUIET, max(LEAST_QUIET, elapsed / 20))


class ProgressLines:
    """For logs, pipes and CI. A clock of its own speaks while a single operation takes long."""

    def __init__(self) -> None:
        self._name, self._doing, self._start, self._last = "", "", 0.0, 0.0
        self._at: tuple[int, int | None] | None = None
        self._lock = threading.Lock()
        self._over: threading.Event | None = None

    def phase(self, name: str, total: int | None = None) -> None:
        with self._lock:
            self._name, self._doing, self._at = without_hidden(name), "", None
            self._start = self._last = time.monotonic()

            if total is None:
                line = f"{self._name} ..."
            else:
                line = f"{self._name}: {count(total, 'step')}"
            print(line, file=sys.stderr, flush=True)

        if self._over is None:
            self._over = threading.Event()
            threading.Thread(target=self._watch, args=(self._over,), daemon=True).start()

    def step(self, step: int, total: int | None, facts: dict[str, Any]) -> None:
        every = max(1, (total or 100) // LINES)
        with self._lock:
            now = time.monotonic()
            self._at, self._doing = (step, total), ""
            if step % every and step != total and now - self._last < patience(now - self._start):
                return
            self._last = now

            if total and 0 < step < total:
                left = f"  {(total - step) * (now - self._start) / step:.0f} s left"
            else:
                left = ""
            print(f"  {self._name}{self._place()}  {describe(facts)}{left}".rstrip(), file=sys.stderr, flush=True)

    def pulse(self, text: str) -> None:
        self._doing = without_hidden(text)
        self.look()

    def look(self) -> None:
        """Say what is at work where nothing was said for long."""
        with self._lock:
            now = time.monotonic()
            if not self._name or now - self._last < patience(now - self._start):
                return
            self._last = now
            age = f"{now - self._start:.0f} s"
            print(f"  {self._name}{self._place()}  {self._doing or 'at work'}  {age}", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        with self._lock:
            self._last = time.monotonic()
            print(f"  {without_hidden(text)}", file=sys.stderr, flush=True)

    def done(self) -> None:
        self._name = ""
        if self._over is not None:
            self._over.set()
            self._over = None

    def _place(self) -> str:
        if self._at is None:
            return ""
        step, total = self._at
        return f" {step}/{total}" if total else f" {step}"

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(LOOKS):
            self.look()


class ProgressBar:
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

    def pulse(self, text: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, facts=text)

    def note(self, text: str) -> None:
        if self._progress is None:
            print(f"  {without_hidden(text)}", file=sys.stderr)
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
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from whet.cli.render import SafeConsole

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("[cyan]{task.fields[facts]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        console=SafeConsole(stderr=True),
        transient=True,
    )
