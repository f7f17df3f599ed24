"""bubblewrap around an answer's code, where the machine has it: namespaces of its own for everything, and of all files
those of Python and of the system's libraries alone. Whether it does that is tried out
(whet/rewards/sandbox/process.py), not believed."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from whet.rewards.sandbox.layers import READABLE

PLACES = "/usr/local/bin:/usr/bin:/bin"
"""Where it is looked for: not in a PATH that somebody may have changed."""
SHUT_IN = """
import os
assert os.getpid() < 10, "it sees other processes"
assert not os.path.exists("/etc/passwd") and not os.path.exists("/proc/1"), "it sees other files"
"""
"""Holds within bubblewrap alone."""


def found() -> str | None:
    """The program bwrap of the system."""
    return shutil.which("bwrap", path=PLACES)


def wrapped() -> list[str]:
    """The command before that of Python. Raises FileNotFoundError without the program."""
    program = found()
    if program is None:
        raise FileNotFoundError("bwrap")
    here = Path(__file__).parent
    prefix, paths = Path(sys.base_prefix), sysconfig.get_paths()
    readable = [place for place in READABLE if not place.startswith("/dev")]
    readable += [str(prefix / "lib"), str(prefix / "lib64"), paths["stdlib"], paths["platstdlib"], python()]
    readable += [str(here), str(here.parent / "__init__.py"), str(here.parents[1] / "__init__.py")]
    binds = [part for place in dict.fromkeys(readable) for part in ("--ro-bind-try", place, place)]

    return [program, "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", *binds, "--dev", "/dev", "--chdir", "/",
            "--"]  # fmt: skip


def python() -> str:
    """The interpreter itself, and not a link to it in an environment that is not there inside."""
    return os.path.realpath(sys.executable)
