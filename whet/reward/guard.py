"""The program in which an answer's code runs: `python -I -S guard.py SECONDS BYTES answer.py`. It imports nothing of Whet.

It takes from itself, for good, everything but computing and reading: limits of time and memory, and a seccomp filter
that allows the calls to the kernel listed here and answers all others with EPERM. So there is no network, no other
process, no file that is written, and no signal to anybody. Whatever user runs it, root too, cannot lift the filter.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import runpy
import struct
import sys

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH of linux/audit.h."""
X32 = 0x40000000
"""Calls of the x32 interface of x86_64 begin here; they would pass under other numbers."""
OPEN = {"x86_64": {2: 24, 257: 32}, "aarch64": {56: 32}}
"""open and openat: where their flags lie in struct seccomp_data."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ALLOWED = {
    "x86_64": (
        *(0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 23, 24, 25, 28, 32, 33, 35, 39, 60),
        # read write close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
        # ioctl pread64 readv writev access select sched_yield mremap madvise dup dup2 nanosleep getpid exit
        *(63, 72, 79, 80, 89, 96, 97, 98, 99, 100, 102, 104, 107, 108, 110, 131, 158, 186, 201, 202, 204, 217, 218, 228),
        # uname fcntl getcwd chdir readlink gettimeofday getrlimit getrusage sysinfo times getuid getgid geteuid getegid
        # getppid sigaltstack arch_prctl gettid time futex sched_getaffinity getdents64 set_tid_address clock_gettime
        *(229, 230, 231, 262, 267, 270, 271, 273, 292, 318, 332, 334),
        # clock_getres clock_nanosleep exit_group newfstatat readlinkat pselect6 ppoll set_robust_list dup3 getrandom
        # statx rseq
    ),
    "aarch64": (
        *(17, 23, 24, 25, 29, 48, 49, 57, 61, 62, 63, 64, 65, 66, 67, 72, 73, 78, 79, 80, 93, 94, 96, 98, 99, 101, 113),
        # getcwd dup dup3 fcntl ioctl faccessat chdir close getdents64 lseek read write readv writev pread64 pselect6
        # ppoll readlinkat newfstatat fstat exit exit_group set_tid_address futex set_robust_list nanosleep clock_gettime
        *(114, 115, 123, 124, 132, 134, 135, 139, 153, 160, 163, 165, 169, 172, 173, 174, 175, 176, 177, 178, 179),
        # clock_getres clock_nanosleep sched_getaffinity sched_yield sigaltstack rt_sigaction rt_sigprocmask rt_sigreturn
        # times uname getrlimit getrusage gettimeofday getpid getppid getuid geteuid getgid getegid gettid sysinfo
        *(214, 215, 216, 222, 226, 233, 278, 291, 293),
        # brk munmap mremap mmap mprotect madvise getrandom statx rseq
    ),
}
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000
"""SECCOMP_RET_ALLOW, _ERRNO with EPERM, _KILL_PROCESS."""
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
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
    program += [(RETURN, 0, 0, REFUSE)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def shut_in() -> None:
    """Install the filter. Raises OSError where the kernel does not take it, KeyError for an unknown processor."""
    code = filter_of(platform.machine())
    instructions = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    asked = ((NO_NEW_PRIVILEGES, 1, 0), (SET_SECCOMP, FILTER, ctypes.create_string_buffer(program)))
    for option, value, pointer in asked:
        if libc.prctl(option, ctypes.c_ulong(value), pointer, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl refused")


if __name__ == "__main__":
    token = sys.stdin.read()
    sys.stdin.close()
    limit(int(sys.argv[1]), int(sys.argv[2]))
    shut_in()
    runpy.run_path(sys.argv[3], run_name="__main__")
    os.write(1, token.encode())  # reached only where the code came to its end without an error
