"""What is around an answer's code beside the filter of whet/rewards/sandbox/guard.py, where the machine has it.

`user`: root becomes nobody. `landlock`: of all files, those of Python and of the system's libraries alone can be read
(Linux 5.13 and later). `namespaces`: a network, and means of talking between processes, of its own, which nobody else
is in. They are set by the guard, in a process that loads nothing of Whet, and which of them hold is tried out once
(whet/rewards/sandbox/process.py). What bubblewrap does before the guard begins is in
whet/rewards/sandbox/bubblewrap.py.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sysconfig

NOBODY = 65534
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Calls to the kernel, the same numbers on every processor (asm-generic/unistd.h)."""
BENEATH, READ = 1, 0b1100
"""LANDLOCK_RULE_PATH_BENEATH; LANDLOCK_ACCESS_FS_READ_FILE and _READ_DIR (linux/landlock.h)."""
RIGHTS = (13, 14, 15, 15, 16)
"""Rights to files that each version of Landlock knows, from the first; later ones know no more."""
NEW_NAMESPACES, NEW_USERS = 0x40000000 | 0x08000000 | 0x04000000, 0x10000000
"""CLONE_NEWNET, _NEWIPC and _NEWUTS; CLONE_NEWUSER (linux/sched.h)."""
READABLE = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/null")
CAPSET = {"x86_64": 126, "aarch64": 91}
NO_NEW_PRIVILEGES, VERSION_3 = 38, 0x20080522
"""Of linux/prctl.h and linux/capability.h."""


def become_nobody() -> None:
    """Raises OSError where another user could not read Python's own files."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    for name in ("stdlib", "platstdlib"):
        os.listdir(sysconfig.get_paths()[name])
    with open(os.__file__, "rb"):
        pass


def read_libraries_only() -> None:
    """Landlock. Raises OSError where the kernel has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = _checked(libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1)))
    rules = struct.pack("Q", (1 << RIGHTS[min(version, len(RIGHTS)) - 1]) - 1)

    if version >= 4:
        rules += struct.pack("Q", 0b11)  # no TCP, neither as server nor as client
    if version >= 6:
        rules += struct.pack("Q", 0b11)  # no abstract sockets and no signals that leave

    ruleset = _checked(libc.syscall(CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint(0)))
    paths = sysconfig.get_paths()
    for place in (paths["stdlib"], paths["platstdlib"], *READABLE):
        if os.path.exists(place):
            _allow(libc, ruleset, place)

    _checked(libc.prctl(NO_NEW_PRIVILEGES, ctypes.c_ulong(1), 0, 0, 0))
    _checked(libc.syscall(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0)))
    os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, place: str) -> None:
    descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    if os.path.isdir(place):
        rights = READ
    else:
        rights = READ & 0b0100
    rule = struct.pack("=Qi", rights, descriptor)
    _checked(libc.syscall(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(BENEATH), rule, ctypes.c_uint(0)))
    os.close(descriptor)


def leave_namespaces() -> None:
    """Raises OSError where this user may not make namespaces."""
    flags = NEW_NAMESPACES | (NEW_USERS if os.geteuid() else 0)
    _checked(ctypes.CDLL(None, use_errno=True).unshare(ctypes.c_int(flags)))


def drop_capabilities() -> None:
    """What root could do as root, for where the code must stay root. Raises OSError."""
    header, nothing = struct.pack("Ii", VERSION_3, 0), bytes(24)
    _checked(ctypes.CDLL(None, use_errno=True).syscall(CAPSET[os.uname().machine], header, nothing))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


LAYERS = {"namespaces": leave_namespaces, "user": become_nobody, "landlock": read_libraries_only}
"""By name, in the order in which they can be set: nobody may not make namespaces everywhere."""
