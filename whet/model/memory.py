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

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""mallopt(3), from <malloc.h> of the GNU C library."""
LARGEST = 2**31 - 1
KERNELS = 160


@cache
def keep_freed_memory() -> bool:
    """Ask the GNU C library to keep what is freed; False where there is none (macOS, musl)."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(MMAP_THRESHOLD, 2**30) and library.mallopt(TRIM_THRESHOLD, LARGEST))


def keep_few_kernels() -> None:
    """Works until the first product of the process, when oneDNN reads the variable; the user's own value wins."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))
