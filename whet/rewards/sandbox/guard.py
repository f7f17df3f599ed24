"""The program in which an answer's code, or the tests of it, run, with nothing of Whet but this folder:

    python -I -S guard.py SECONDS BYTES LAYERS ROLE FILE-DESCRIPTOR... < code

It takes from itself, for good, everything but computing and reading: limits of time and memory, the layers of
whet/rewards/sandbox/layers.py that are asked for, and a seccomp filter that allows the calls to the kernel listed here
and answers all others with EPERM. So there is no network, no other process, no file that is written, and no signal to
anybody. Whatever user runs it, root too, cannot lift the filter. What runs then is whet/rewards/sandbox/bridge.py.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from pathlib import Path

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH of linux/audit.h."""
X32 = 0x40000000
"""Calls of the x32 interface of x86_64 begin here; they would pass under other numbers."""
OPEN = {"x86_64": {2: 24, 257: 32}, "aarch64": {56: 32}}
"""open and openat: where their flags lie in struct seccomp_data."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_ASYNC", 0)
CALLS = """
access 21 -; arch_prctl 158 -; brk 12 214; chdir 80 49; clock_getres 229 114; clock_gettime 228 113;
clock_nanosleep 230 115; close 3 57; dup 32 23; dup2 33 -; dup3 292 24; exit 60 93; exit_group 231 94; faccessat
- 48; fstat 5 80; futex 202 98; getcwd 79 17; getdents64 217 61; getegid 108 177; geteuid 107 175;
getgid 104 176; getpid 39 172; getppid 110 173; getrandom 318 278; getrlimit 97 163; getrusage 98 165; gettid
186 178; gettimeofday 96 169; getuid 102 174; lseek 8 62; lstat 6 -; mmap 9 222;
mprotect 10 226; mremap 25 216; munmap 11 215; nanosleep 35 101; newfstatat 262 79; poll 7 -; ppoll 271 73;
pread64 17 67; pselect6 270 72; read 0 63; readlink 89 -; readlinkat 267 78; readv 19 65; rseq 334 293;
rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139; sched_getaffinity 204 123; sched_yield 24 124;
select 23 -; set_robust_list 273 99; set_tid_address 218 96; sigaltstack 131 132; stat 4 -; statx 332 291;
sysinfo 99 179; time 201 -; times 100 153; uname 63 160; write 1 64; writev 20 66
"""
"""Name, and number on x86_64 and on aarch64 (Linux, asm/unistd.h; - where there is none)."""
COMMANDS = {
    "fcntl": ({"x86_64": 72, "aarch64": 25}, (0, 1, 2, 3, 1030)),
    "ioctl": ({"x86_64": 16, "aarch64": 29}, (0x5401, 0x5413, 0x5450, 0x5451)),
    "madvise": ({"x86_64": 28, "aarch64": 233}, tuple(range(26))),
}
"""Calls that do many things, and the commands of them that are allowed. fcntl: duplicate, flags of a descriptor
(linux/fcntl.h); so no F_SETOWN, F_SETSIG, O_ASYNC and F_NOTIFY, which send signals to others. ioctl: is it a terminal,
how large is it, close on exec (asm-generic/ioctls.h); so no FIOASYNC, FIOSETOWN and TIOCSTI. madvise: advice below 100;
with 100, MADV_HWPOISON, root can have a page taken from all processes that share it."""
COMMAND_AT = {"fcntl": 24, "ioctl": 24, "madvise": 32}
"""Where the command lies in struct seccomp_data: the second argument, of madvise the third."""
ALLOWED = {"x86_64": [], "aarch64": []}
for _call in CALLS.split(";"):
    for _machine, _number in zip(ALLOWED, _call.split()[1:], strict=True):
        if _number != "-":
            ALLOWED[_machine].append(int(_number))
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000
"""SECCOMP_RET_ALLOW, _ERRNO with EPERM, _KILL_PROCESS."""
SET_DUMPABLE, NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 4, 38, 22, 2
"""Of linux/prctl.h and linux/seccomp.h."""


def limit(seconds: int, memory: int) -> None:
    """Processor seconds, bytes of address space, no file and no core."""
    for kind, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 1 << 16)):
        resource.setrlimit(kind, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def filter_of(machine: str) -> bytes:
    """The filter as instructions of classic BPF (code, jump if true, jump if not, operand)."""
    number, arch = 0, 4  # where struct seccomp_data holds them
    program = [(LOAD, 0, 0, arch), (EQUAL, 1, 0, ARCHES[machine]), (RETURN, 0, 0, KILL), (LOAD, 0, 0, number)]
    program += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]

    for call in ALLOWED[machine]:
        program += [(EQUAL, 0, 1, call), (RETURN, 0, 0, ALLOW)]

    for call, flags in OPEN[machine].items():  # reading alone
        program += [(EQUAL, 0, 4, call), (LOAD, 0, 0, flags), (ANY_BIT, 1, 0, WRITING), (RETURN, 0, 0, ALLOW)]
        program += [(RETURN, 0, 0, REFUSE)]

    for call, (numbers, commands) in COMMANDS.items():  # of what does many things, the harmless ones
        body = [(LOAD, 0, 0, COMMAND_AT[call])]
        for command in commands:
            body += [(EQUAL, 0, 1, command), (RETURN, 0, 0, ALLOW)]

        body += [(RETURN, 0, 0, REFUSE)]
        program += [(EQUAL, 0, len(body), numbers[machine]), *body]

    program += [(RETURN, 0, 0, REFUSE)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def shut_in() -> None:
    """Close this process's memory to others of the same user, and install the filter. Raises OSError where the kernel
    does not take it, KeyError for an unknown processor."""
    code = filter_of(platform.machine())
    instructions = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)

    asked = (
        (SET_DUMPABLE, 0, 0),
        (NO_NEW_PRIVILEGES, 1, 0),
        (SET_SECCOMP, FILTER, ctypes.create_string_buffer(program)),
    )
    for option, value, pointer in asked:
        if libc.prctl(option, ctypes.c_ulong(value), pointer, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl refused")


def main(seconds: str, memory: str, layers: str, role: str, *descriptors: str) -> None:
    """Read the code, shut this process in, and run it."""
    code = sys.stdin.read()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # the code lies in a file that could be written
    sys.path.append(str(Path(__file__).parents[3]))  # at the end: the names of the library go first
    from whet.rewards.sandbox.bridge import ROLES
    from whet.rewards.sandbox.layers import LAYERS, drop_capabilities

    sys.path.pop()
    limit(int(seconds), int(memory))

    for layer in filter(None, layers.split(",")):
        LAYERS[layer]()
    drop_capabilities()
    shut_in()
    ROLES[role](code, *map(int, descriptors))


if __name__ == "__main__":
    main(*sys.argv[1:])
