"""Code of the user's, called: what it prints goes to stderr, whatever it raises is told with the line of its file."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path


@contextmanager
def printing_aside() -> Iterator[None]:
    """What is printed meanwhile goes to stderr, by other programs that are started too: stdout may have to hold nothing
    but one JSON object."""
    sys.stdout.flush()
    kept = None
    with suppress(OSError):  # a process without a stdout has nothing to keep clean
        kept = os.dup(1)
        os.dup2(2, 1)

    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            sys.stderr.flush()
            os.dup2(kept, 1)
            os.close(kept)


def of_the_user(error: BaseException) -> bool:
    """Whether the user's code raised this, and not somebody who wants the whole command to stop."""
    return not isinstance(error, KeyboardInterrupt) and not type(error).__module__.startswith("whet.cli")


def line_of(error: BaseException, file: str) -> str:
    """`score.py:12`: the last line of the user's file that was at work, or the line that is no Python. The file alone
    where the error did not come by it."""
    name, line = Path(file).name, None
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).name == name:
        line = error.lineno
    else:
        lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if Path(at.filename).name == name]
        line = lines[-1] if lines else None

    return f"{name}:{line}" if line else name


def told(error: BaseException) -> str:
    """What was raised, in one line."""
    if isinstance(error, SyntaxError):
        words = error.msg
    else:
        words = str(error)
    if words:
        return f"{type(error).__name__}: {words}"
    return type(error).__name__
