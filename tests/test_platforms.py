"""Every call that a system may not have, on a system that does not have it: macOS, Windows, musl, an odd kernel."""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from whet.data import workers
from whet.errors import InputError, RunFolderError
from whet.generation import joined_linears as weights
from whet.model import memory
from whet.model.quantised import load as quantise_load
from whet.planning import machine
from whet.rewards.sandbox import process as sandbox
from whet.store import atomic, environment, leftovers, lock, memory_and_cores
from whet.verbs.versions.promotion import who

WHET = Path(__file__).parents[1] / "whet"


@pytest.fixture
def no_files_of_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither /proc nor /sys."""
    own = Path.read_text

    def read(self: Path, *args: Any, **kwargs: Any) -> str:
        if self.parts[:2] in (("/", "proc"), ("/", "sys")):
            raise FileNotFoundError(2, "No such file or directory", str(self))
        return own(self, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", read)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, no_files_of_linux: None) -> None:
    """What Python leaves out there."""
    for name in ("sysconf", "sched_getaffinity", "fork", "geteuid", "killpg"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(platform, "libc_ver", lambda *_, **__: ("", ""))
    monkeypatch.setattr(workers.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    monkeypatch.setattr(memory_and_cores, "resource", None)


def test_figures_here_are_those_of_the_system() -> None:
    """Against /proc, where there is one."""
    assert memory_and_cores.all_memory() == psutil.virtual_memory().total > memory_and_cores.free_memory() > 0
    assert 1.05 * memory_and_cores.peak_resident() >= memory_and_cores.resident() > 10**7
    if sys.platform == "linux":
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        assert abs(int(lines["VmHWM"].split()[0]) * 1024 - memory_and_cores.peak_resident()) < 2 * 10**7
        assert memory_and_cores.usable_cores() == len(os.sched_getaffinity(0))


def test_the_peak_is_in_bytes_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(ru_maxrss=5_000)
    monkeypatch.setattr(memory_and_cores, "resource", SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: usage))
    for system, peak in (("darwin", 5_000), ("linux", 5_120_000)):
        monkeypatch.setattr(sys, "platform", system)
        assert memory_and_cores.peak_resident() == peak


def test_windows_has_no_resource_and_psutil_knows_the_peak(monkeypatch: pytest.MonkeyPatch, windows: None) -> None:
    class Process:
        def memory_info(self) -> Any:
            return SimpleNamespace(peak_wset=777)

    monkeypatch.setattr(psutil, "Process", Process)
    assert memory_and_cores.peak_resident() == 777
    assert not memory_and_cores.address_space_is_bounded()


def test_the_module_is_imported_without_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    own = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name in ("resource", "fcntl"):
            raise ImportError(name)
        return own(name, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", without)
        importlib.reload(memory_and_cores)
        assert memory_and_cores.resource is None
    importlib.reload(memory_and_cores)
    assert memory_and_cores.resource is not None or os.name == "nt"


def test_cores_without_an_affinity(monkeypatch: pytest.MonkeyPatch, windows: None) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert memory_and_cores.usable_cores() == 12
    assert environment.environment()["cores_usable"] == 12 and machine.machine_facts()["cores"] == 12
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert memory_and_cores.usable_cores() == 1


def test_memory_without_sysconf_and_without_proc(windows: None) -> None:
    """os.sysconf("SC_AVPHYS_PAGES") is not known to macOS, and os.sysconf not to Windows."""
    assert machine.available_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    assert weights.room_for_copy(10**6) and not weights.room_for_copy(10**15)
    assert environment.environment()["memory_bytes"] == psutil.virtual_memory().total


def test_the_processor_has_a_name_without_proc(windows: None) -> None:
    assert environment.cpu_name() == (platform.processor() or platform.machine())


def test_one_worker_prepares_rows_where_there_is_no_fork(monkeypatch: pytest.MonkeyPatch, windows: None) -> None:
    assert workers.cores() == 1
    monkeypatch.setattr(sys, "platform", "darwin")  # forks, and breaks what the system's own libraries hold
    monkeypatch.setattr(workers.multiprocessing, "get_all_start_methods", lambda: ["fork", "spawn"])
    assert workers.cores() == 1


def test_memory_is_not_held_where_there_is_no_glibc(monkeypatch: pytest.MonkeyPatch, windows: None) -> None:
    memory.keep_freed_memory.cache_clear()
    assert memory.keep_freed_memory() is False
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: SimpleNamespace())  # musl
    memory.keep_freed_memory.cache_clear()
    assert memory.keep_freed_memory() is False
    memory.keep_freed_memory.cache_clear()
    monkeypatch.setattr(quantise_load, "_libc", lambda: pytest.fail("there is no such library"))
    quantise_load._give_back_freed_memory()


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_the_code_of_answers_is_not_run_where_it_cannot_be_shut_in(
    monkeypatch: pytest.MonkeyPatch, windows: None, system: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    sandbox.refuse_unlimited.cache_clear()
    for asked in (lambda: sandbox.run("", "", sandbox.Limits()), lambda: sandbox.refuse_bare_root(True)):
        with pytest.raises(InputError, match="cannot be shut in on this system"):
            asked()


def test_what_was_left_over_is_removed_by_its_age_where_there_are_no_locks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(leftovers, "fcntl", None)
    old, new = tmp_path / ".one.0123abcd.tmp", tmp_path / ".two.0123abcd.tmp"
    for path in (old, new):
        path.write_text("")
    os.utime(old, (0, 0))
    with leftovers.held(new):
        assert leftovers.leftovers(tmp_path) == [old]


@pytest.fixture
def lock_of_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """whet.store.lock as it is imported there; its locks are those of a table."""
    taken: set[int] = set()

    def locking(handle: int, how: int, length: int) -> None:
        inode = os.fstat(handle).st_ino
        assert how == 2 and length == 1
        if inode in taken:
            raise OSError(36, "Resource deadlock avoided")
        taken.add(inode)

    own = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "fcntl":
            raise ImportError(name)
        return own(name, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))  # type: ignore[arg-type]
        patch.setattr(builtins, "__import__", without)
        importlib.reload(lock)
        yield lock
    importlib.reload(lock)


def test_a_run_is_locked_on_windows(lock_of_windows: Any, tmp_path: Path) -> None:
    with lock_of_windows.Lock(tmp_path / "lock", "this run"):
        with pytest.raises(RunFolderError, match="written by another process"):
            lock_of_windows.Lock(tmp_path / "lock", "this run").__enter__()


def test_files_are_written_out_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It cannot open a folder, and writes out only a file that is open for writing."""
    path, flushed = tmp_path / "file", []
    path.write_text("x")

    def fsync(handle: int) -> None:
        import fcntl

        flushed.append(fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_RDWR)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(atomic.os, "name", "nt")
    atomic.sync_folder(tmp_path)
    assert flushed == []
    atomic.sync_file(path)
    assert flushed == [os.O_RDWR]


def test_who_promotes_has_a_word_where_users_have_neither_name_nor_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unnamed() -> str:
        raise OSError("no username is set")  # as getpass raises on Windows

    monkeypatch.setattr("getpass.getuser", unnamed)
    monkeypatch.delattr("os.getuid")
    assert who() == "unknown"


KNOWN = {
    "store/memory_and_cores.py": {"resource", "sched_getaffinity"},
    "store/lock.py": {"fcntl", "msvcrt"},
    "store/leftovers.py": {"fcntl"},
    "store/environment.py": {"/proc"},
    "store/container.py": {"/proc", "/sys"},
    "model/memory.py": {"ctypes"},
    "model/quantised/load.py": {"ctypes"},
    "rewards/sandbox/guard.py": {"ctypes", "resource"},
    "rewards/sandbox/layers.py": {"ctypes", "geteuid"},
    "rewards/sandbox/process.py": {"geteuid", "killpg"},
    "server/jobs/process_group.py": {"ctypes", "killpg", "setsid"},
    "verbs/versions/promotion.py": {"getuid"},
}
"""Where each such call stands; the tests above have each, tests/server/jobs/test_worker.py has the server's. The
sandbox's run on Linux alone, behind a refusal; what forks says so by its name (data/workers.py)."""
CALLS = {"sysconf", "sched_getaffinity", "fork", "geteuid", "getuid", "killpg", "getpgid", "setsid", "mkfifo"}
MODULES = {"resource", "fcntl", "msvcrt", "ctypes", "pwd", "grp", "termios", "tty", "pty", "syslog"}


def test_no_other_file_asks_a_system_for_what_it_may_not_have() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted(WHET.rglob("*.py")):
        names = found.setdefault(str(path.relative_to(WHET)), set())
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names} & MODULES
            elif isinstance(node, ast.ImportFrom):
                names |= {node.module or ""} & MODULES
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                names |= {node.attr} & CALLS
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
                names |= {top for top in ("/proc", "/sys") if node.value.startswith(top)}
    unknown = {path: names - KNOWN.get(path, set()) for path, names in found.items()}
    assert not {path: names for path, names in unknown.items() if names}
    assert set(KNOWN) <= set(found), "a file of the list has moved"
