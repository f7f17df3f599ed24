"""Memory and cores of this process and this machine, on every system: psutil asks Linux, macOS and Windows.

`resource` is of Unix, `os.sysconf` and `os.sched_getaffinity` are of Linux, and their names differ between systems:
nothing else in Whet asks them.
"""

from __future__ import annotations

import os
import sys

import psutil

try:
    import resource
except ImportError:  # Windows
    resource = None


def peak_resident() -> int:
    """Bytes of memory: the most that this process has held."""
    if resource is None:
        return int(getattr(psutil.Process().memory_info(), "peak_wset"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        return peak
    return peak * 1024


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(psutil.Process().memory_info().rss)


def all_memory() -> int:
    """Bytes of this machine."""
    return int(psutil.virtual_memory().total)


def free_memory() -> int:
    """Bytes that the system can hand out without swapping; of the whole machine, whatever a container may take."""
    return int(psutil.virtual_memory().available)


def usable_cores() -> int:
    """Cores that this process may use: fewer than there are where a container or `taskset` says so."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def address_space_is_bounded() -> bool:
    """Whether `ulimit -v` bounds this process."""
    if resource is None:
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
