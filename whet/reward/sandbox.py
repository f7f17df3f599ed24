"""Python code that a model wrote, run where it can only compute and read: whet/reward/guard.py shuts it in.

What the guard keeps from the code is tried out once, before any answer runs; where one thing does not hold, nothing is
run. The code can read what this user may read, but cannot write it down or send it anywhere. It shares its process with
the tests: code that looks for the tests' own objects can cheat them, so read what gets a high reward.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from whet.errors import InputError

GUARD = Path(__file__).with_name("guard.py")
MOST_OUTPUT = 1 << 16
PROBE = """
import os, socket
def works(action):
    try:
        action()
    except (OSError, MemoryError):
        return False
    return True
found = [name for name, action in {
    "the network": lambda: socket.socket(),
    "other processes": lambda: os.fork() or os._exit(0),
    "signals": lambda: os.kill(os.getppid(), 0),
    "written files": lambda: open("written", "w"),
    "all memory": lambda: bytearray(4 << 30),
}.items() if works(action)]
assert not found, "it reaches " + ", ".join(found)
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds on the clock (and as many of the processor, rounded up), and bytes of memory."""

    seconds: float = 5.0
    memory: int = 512 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """`passed`: the code ran to its end without an error. `said`: the end of what it wrote to stderr."""

    passed: bool
    said: str


def run(source: str, limits: Limits) -> Outcome:
    """Run some code. Raises InputError where this machine cannot shut it in."""
    refuse_unlimited()
    return _run(source, limits)


@lru_cache(maxsize=1)
def refuse_unlimited() -> None:
    """Raises InputError where code could reach the network, other processes, files or all memory."""
    fix = "use Linux on x86_64 or aarch64, or another reward than tests"
    if sys.platform != "linux":
        raise InputError("the code of answers cannot be shut in on this system", value=sys.platform, fix=fix)
    outcome = _run(PROBE, Limits())
    if not outcome.passed:
        lines = outcome.said.strip().splitlines()
        raise InputError("the code of answers cannot be shut in here", value=lines[-1] if lines else "", fix=fix)


def _run(source: str, limits: Limits) -> Outcome:
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="whet-answer-") as folder:
        Path(folder, "answer.py").write_text(source, "utf-8", "replace")
        sizes = [str(int(limits.seconds) + 1), str(limits.memory)]
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(GUARD), *sizes, "answer.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={},
            start_new_session=True,
        )
        try:
            out, said = process.communicate(token.encode(), timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Outcome(False, f"stopped after {limits.seconds:g} seconds")
    passed = process.returncode == 0 and token.encode() in out
    return Outcome(passed, said[-MOST_OUTPUT:].decode("utf-8", "replace"))
