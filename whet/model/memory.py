"""Memory of the process beside the tensors: blocks that were freed, and the matrix kernels that oneDNN keeps.

The C library gives large blocks back to the system at once, and taking them again costs a page fault for every 4 KB:
a fifth of a step, measured. So a training step keeps what the last one freed.

oneDNN makes a kernel for every new shape of a product, in 1 to 2 ms, and keeps the last 1,024 of them at about 1.5 MB
each: with rows of all lengths that alone grows by 1.5 GB. `KERNELS` are more than two steps use.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""mallopt(3), from <malloc.h> of the GNU C library."""
LARGEST = 2**31 - 1
KERNELS = 160


@cache
def keep_freed_memory() -> bool:
    """Ask the GNU C library to keep what is freed; False where there is none (macOS, musl)."""
    library = _gnu_library()
    if library is None:
        return False
    return bool(library.mallopt(MMAP_THRESHOLD, 2**30) and library.mallopt(TRIM_THRESHOLD, LARGEST))


def share_heaps(heaps: int = 2) -> bool:
    """Ask the GNU C library for so many heaps, in the place of one a thread, each of which keeps what was freed there:
    of a service that has answered once, 60 MiB. False as above."""
    library = _gnu_library()
    return library is not None and bool(library.mallopt(ARENA_MAX, heaps))


def _gnu_library() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


def keep_few_kernels() -> None:
    """Works until the first product of the process, when oneDNN reads the variable; the user's own value wins."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))
