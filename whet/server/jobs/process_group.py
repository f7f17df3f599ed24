"""A process with all that it started, ended as one; where a system has no groups of processes (Windows), it alone."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from multiprocessing.process import BaseProcess

SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of linux/prctl.h."""


def begin_group() -> None:
    """This process leads a group of its own from here on, and on Linux ends with whoever started it."""
    if hasattr(os, "setsid"):
        os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)


def end_own_group() -> None:
    """At once, without a word."""
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def end_group_of(child: BaseProcess) -> None:
    """Gone when this returns; what it started may live on where the child ended by itself, and ends here, too."""
    if hasattr(os, "killpg") and child.pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()  # before it has a group of its own
    child.join()


def how_ended(code: int) -> str:
    """An exit code of Python's, in words."""
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, as when memory runs out" if name == "SIGKILL" else name
