"""Python code that a model wrote, run where it can only compute: whet/rewards/sandbox/guard.py shuts it in.

The answer's code and the tests of it run in two processes (whet/rewards/sandbox/bridge.py). That of the tests alone
holds the pipe on which "passed" is said; the answer's can neither write to it nor read the tests. What they write is
read up to a bound. What the guard keeps from the code is tried out once, before any answer runs; where one thing does
not hold, nothing is run. So is each layer beside the filter (whet/rewards/sandbox/layers.py), and those that hold are
used.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

from whet.errors import InputError
from whet.rewards.sandbox import bubblewrap as bubble
from whet.rewards.sandbox.layers import NOBODY

GUARD = Path(__file__).with_name("guard.py")
PASSED, TAMPERED = b"passed", b"tampered"
MOST_OUTPUT = 1 << 20
"""Bytes that an answer and its tests may write together; one that writes more is ended."""
MOST_SAID = 1 << 16
LAYERS = {
    "bubblewrap": "bubblewrap",
    "user": "another user",
    "landlock": "Landlock",
    "namespaces": "namespaces of its own",
}
"""What may be around the code beside the filter, and what people call it."""
PROBE = """
import os, socket, fcntl
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
    "signals by fcntl": lambda: fcntl.fcntl(1, fcntl.F_SETOWN, os.getpid()),
    "signals by ioctl": lambda: fcntl.ioctl(1, 0x8901, b"0000"),
    "written files": lambda: open("written", "w"),
    "all memory": lambda: bytearray(4 << 30),
}.items() if works(action)]
assert not found, "it reaches " + ", ".join(found)
"""


GONE = "the other side has ended"
"""What a side says that ends because the other one did (wire.py)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds on the clock (and as many of the processor, rounded up), and bytes of memory of each process."""

    seconds: float = 5.0
    memory: int = 512 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """`passed`: answer and tests ran to their end without an error. `said`: the end of what they wrote, or why they
    were stopped. `tampered`: the answer reached for what says the result (whet/rewards/sandbox/bridge.py)."""

    passed: bool
    said: str
    tampered: bool = False


def run(answer: str, tests: str, limits: Limits) -> Outcome:
    """Run the code of an answer, then its tests. Raises InputError where this machine cannot shut it in."""
    refuse_unlimited()
    return _run(answer, tests, limits, layers())


@lru_cache(maxsize=1)
def refuse_unlimited() -> None:
    """Raises InputError where code could reach the network, other processes, files or all memory."""
    fix = "use Linux on x86_64 or aarch64, or another reward than tests"
    if sys.platform != "linux":
        raise InputError("the code of answers cannot be shut in on this system", value=sys.platform, fix=fix)
    outcome = _run(PROBE, "", Limits(), ())
    if not outcome.passed:
        lines = [line for line in outcome.said.strip().splitlines() if line != GONE]  # the reason, not what came of it
        reason = lines[-1] if lines else ""
        raise InputError("the code of answers cannot be shut in here", value=reason, fix=fix)


@lru_cache(maxsize=1)
def layers() -> tuple[str, ...]:
    """The layers that hold on this machine beside the filter: each is set up once, and then as many of them together as
    can be; where bubblewrap is one of them, it makes the namespaces."""
    absent = set()
    if bubble.found() is None:
        absent.add("bubblewrap")
    if os.geteuid():
        absent.add("user")

    alone = [name for name in LAYERS if name not in absent and _holds((name,))]
    for size in range(len(alone), 1, -1):
        for several in combinations(alone, size):
            if not {"bubblewrap", "namespaces"} <= set(several) and _holds(several):
                return several
    return tuple(alone[:1])


def _holds(some: tuple[str, ...]) -> bool:
    shut_in = ""
    if "bubblewrap" in some:
        shut_in = bubble.SHUT_IN
    return _run("import json, decimal" + shut_in, "import json" + shut_in, Limits(), some).passed


def format_layers() -> str:
    """What shuts the code of answers in here, in a sentence. Raises InputError as `refuse_unlimited` does."""
    refuse_unlimited()
    names = [LAYERS[name] for name in layers()]
    if names:
        beside = f"a seccomp filter, and around it {', '.join(names)}"
    else:
        beside = "a seccomp filter alone"
    return f"the code of answers is shut in by {beside}"


def refuse_bare_root(allowed: bool) -> None:
    """Raises InputError where root would run the code of answers behind the filter alone, and nobody asked for that."""
    refuse_unlimited()
    if os.geteuid() == 0 and not layers() and not allowed:
        what = "as root, the code of answers would be shut in by a seccomp filter alone: no other layer holds here"
        fix = (
            "run whet as an ordinary user, install bubblewrap, or use Linux 5.13 or later with Landlock; or set "
            "as_root: true in the reward"
        )
        raise InputError(what, where="the reward 'tests'", fix=fix)


def _run(answer: str, tests: str, limits: Limits, around: tuple[str, ...]) -> Outcome:
    asked, replies, results, output = os.pipe(), os.pipe(), os.pipe(), os.pipe()
    programs: list[subprocess.Popen[bytes]] = []
    ends = {*asked, *replies, *results, *output}

    try:
        for role, code, own in (
            ("answer", answer, (asked[0], replies[1])),
            ("tests", tests, (replies[0], asked[1], results[1])),
        ):
            programs.append(_start(role, code, own, output[1], limits, around))

        for end in ends - {results[0], output[0]}:
            os.close(end)
        ends = {results[0], output[0]}
        return _watch(results[0], output[0], limits)
    finally:
        for program in programs:
            _end(program)
        for end in ends:
            os.close(end)


def _start(
    role: str, code: str, own: tuple[int, ...], output: int, limits: Limits, around: tuple[str, ...]
) -> subprocess.Popen[bytes]:
    """One of the two programs; `own` are the ends of pipes that it alone holds."""
    sizes = [str(int(limits.seconds) + 1), str(limits.memory)]
    before, inside, nobody = [sys.executable], list(around), None

    if "bubblewrap" in around:
        before = [*bubble.wrapped(), bubble.python()]
        inside.remove("bubblewrap")

        if "user" in around:  # within bubblewrap nobody can become another
            nobody = NOBODY
            inside.remove("user")

    groups = None if nobody is None else []
    with tempfile.TemporaryFile() as source:
        source.write(code.encode("utf-8", "replace"))
        source.seek(0)
        return subprocess.Popen(
            [*before, "-I", "-S", "-B", str(GUARD), *sizes, ",".join(inside), role, *map(str, own)],
            stdin=source,
            stdout=output,
            stderr=output,
            pass_fds=own,
            cwd="/",
            env={},
            start_new_session=True,
            user=nobody,
            group=nobody,
            extra_groups=groups,
        )


def _end(program: subprocess.Popen[bytes]) -> None:
    if program.poll() is None:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def _watch(result: int, output: int, limits: Limits) -> Outcome:
    """Read what the programs write until the tests have said how they ended, or have ended."""
    said, written, until = b"", 0, time.monotonic() + limits.seconds
    with selectors.DefaultSelector() as selector:
        for end in (result, output):
            os.set_blocking(end, False)
            selector.register(end, selectors.EVENT_READ)

        while (left := until - time.monotonic()) > 0:
            ready = {key.fd for key, _ in selector.select(left)}
            if output in ready:
                data = os.read(output, 1 << 16)
                said, written = (said + data)[-MOST_SAID:], written + len(data)
                if written > MOST_OUTPUT:
                    return Outcome(False, f"ended because it wrote more than {MOST_OUTPUT >> 20} MB")

                if not data:
                    selector.unregister(output)
            elif result in ready:
                word = os.read(result, len(TAMPERED))
                return Outcome(word == PASSED, said.decode("utf-8", "replace"), word == TAMPERED)

    return Outcome(False, f"stopped after {limits.seconds:g} seconds")
