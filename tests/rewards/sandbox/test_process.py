"""Code of answers can compute and read; everything else is kept from it, whoever runs it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rewards import shut_in
from whet.errors import DataError, InputError
from whet.recipe.schema import UnitTests
from whet.rewards.combine import build_rewards
from whet.rewards.sandbox import bubblewrap as bubble
from whet.rewards.sandbox import process as sandbox
from whet.rewards.sandbox.guard import ALLOWED, ARCHES, COMMANDS, OPEN
from whet.rewards.sandbox.process import Limits, refuse_unlimited, run
from whet.rewards.unit_tests import UnitTestReward, code_of
from whet.types import Row

LIMITS = Limits(seconds=2)
MACHINE = platform.machine()


pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ARCHES, reason="code cannot be shut in on this machine"
)


ROOT = Path(__file__).parents[3]
QUICK = (
    "attack: owner of a pipe",
    "attack: ioctl FIOSETOWN",
    "attack: poisoned page",
    "attack: fork bomb",
    "attack: memory",
    "attack: written file",
    "attack: network",
    "attack: ptrace",
    "attack: endless output",
    "forged: every descriptor",
    "forged: leaves within a test",
    "forged: equal to everything",
    "forged: names of the tests",
    "forged: all objects",
    "forged: the globals of a callback",
    "forged: a question that no answer asks",
    "forged: says yes to all that is asked",
    "honest: plain values",
    "honest: in place",
    "honest: a class",
    "honest: errors of its own",
    "honest: callbacks",
    "honest: much output",
)
"""One of each kind; the rest is slow."""


@pytest.fixture(scope="module")
def bystander() -> Iterator[int]:
    """A process of the same user that must live."""
    process = subprocess.Popen(["sleep", "600"])
    yield process.pid
    assert process.poll() is None, "a signal reached a bystander"
    process.kill()
    process.wait()


@pytest.mark.parametrize("name", QUICK)
def test_attacks_fail_forgeries_are_worth_nothing_and_honest_answers_pass(name: str, bystander: int) -> None:
    programs = {found: rest for found, *rest in shut_in.every(bystander)}
    answer, tests, word = programs[name]
    assert not shut_in.wrong(name, word, run(answer, tests, shut_in.LIMITS))


def readable_by_all() -> str | None:
    """A Python of 3.11 or later that another user can run: this one, or the system's."""
    for python in (sys.executable, shutil.which("python3", path="/usr/bin") or ""):
        code = "import sys; sys.exit(sys.version_info < (3, 11))"
        try:
            if python and subprocess.run([python, "-I", "-c", code], user=65534, cwd="/").returncode == 0:
                return python
        except OSError:
            continue
    return None


def whole_suite(python: str, *arguments: str, **who: int) -> dict[str, object]:
    bystander = subprocess.Popen(["sleep", "600"], **who)
    try:
        command = [python, "-m", "tests.rewards.shut_in", str(bystander.pid), *arguments]
        environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, **who)
        assert done.returncode == 0, done.stderr
        assert bystander.poll() is None, "a signal reached a bystander"
        return json.loads(done.stdout)
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["bare", "all layers"])
def test_the_whole_suite_as_this_user(layers: str) -> None:
    found = whole_suite(sys.executable, layers)
    assert found["user"] == os.geteuid() and not found["wrong"]
    assert (layers == "bare") == (not found["layers"])


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["bare", "all layers"])
def test_the_whole_suite_as_an_ordinary_user(layers: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("this user is an ordinary one already")
    python = readable_by_all()
    if python is None:
        pytest.skip("no Python here can be run by another user")
    found = whole_suite(python, layers, user=65534, group=65534)
    assert found["user"] == 65534 and not found["wrong"]


@pytest.mark.slow
def test_root_runs_answers_as_nobody_where_nobody_can_read_python() -> None:
    python = readable_by_all()
    if os.geteuid() != 0 or python is None:
        pytest.skip("this is not root, or no Python here can be run by another user")
    code = (
        "from whet.rewards.sandbox.process import *\nassert 'user' in layers(), layers()\n"
        "done = run('import os\\ndef f(): return os.getuid(), os.getgroups', 'assert f()[0] == 65534', Limits())\n"
        "assert done.passed, done.said"
    )
    subprocess.run([python, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True)


def test_a_call_that_is_not_listed_is_refused_whatever_its_number() -> None:
    ends_its_caller = {335, 336}  # uretprobe and uprobe of newer kernels, which no filter sees
    listed = {*ALLOWED[MACHINE], *OPEN[MACHINE], *named_calls(), *ends_its_caller}
    numbers = [number for number in range(470) if number not in listed]
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "def f(n): return libc.syscall(n, 0, 0, 0, 0, 0, 0), ctypes.get_errno()"
    )
    outcome = run(code, f"for n in {numbers}: assert f(n) == (-1, 1), n", LIMITS)
    assert outcome.passed, outcome.said


def named_calls() -> set[int]:
    return {numbers[MACHINE] for numbers, _ in COMMANDS.values()}


def test_memory_stays_small_whatever_an_answer_writes() -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = run("import os\nwhile True: os.write(1, b'x' * 65536)", "", Limits(seconds=2))
    assert "wrote more than 1 MB" in outcome.said
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10  # kilobytes


@pytest.mark.parametrize("source", ["assert False", "1 / 0", "def f(:", "quit()"])
def test_an_answer_that_fails_by_itself_does_not_pass(source: str) -> None:
    assert not run(source, "", LIMITS).passed
    assert not run("", source, LIMITS).passed


@pytest.mark.parametrize("source", ["while True: pass", "import time; time.sleep(60)", "input()"])
def test_nothing_takes_longer_than_it_may(source: str) -> None:
    began = time.perf_counter()
    assert not run(source, "", Limits(seconds=1)).passed
    assert time.perf_counter() - began < 10


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    assert run("import os; assert 'SECRET_KEY' not in os.environ", "", LIMITS).passed


def test_where_a_limit_does_not_hold_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_unlimited.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "PROBE", sandbox.PROBE.replace("socket.socket()", "None"))
        with pytest.raises(InputError, match="it reaches the network"):
            run("pass", "", LIMITS)
        patch.setattr(sys, "platform", "darwin")
        with pytest.raises(InputError, match="on this system"):
            run("pass", "", LIMITS)
    refuse_unlimited.cache_clear()


def test_the_reward_is_whether_the_rows_tests_pass() -> None:
    reward = UnitTestReward(UnitTests(seconds=2))
    row = Row(0, "data.jsonl:3", fields={"tests": "assert add(2, 3) == 5"})
    answers = [
        "def add(a, b):\n    return a + b",
        "Here it is:\n```python\ndef add(a, b):\n    return a + b\n```\nGood luck.",
        "def add(a, b):\n    return a - b",
        "```python\ndef sub(a, b): ...\n```",
        "",
    ]
    assert reward([[]] * 5, answers, [row] * 5) == [1, 1, 0, 0, 0]
    with pytest.raises(DataError, match=r"data.jsonl:3.*column 'tests'"):
        reward([[]], ["x"], [Row(0, "data.jsonl:3", fields={"test": "assert 1"})])


def test_the_last_block_of_code_is_the_answer() -> None:
    assert code_of("```py\na\n```\nbetter:\n```\nb\n```") == "b\n"
    assert code_of("a = 1") == "a = 1"


def test_root_behind_the_filter_alone_is_refused_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sandbox, "layers", lambda: ())
    with pytest.raises(InputError, match="as_root: true"):
        UnitTestReward(UnitTests())
    UnitTestReward(UnitTests(as_root=True))
    assert sandbox.format_layers().endswith("a seccomp filter alone")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    UnitTestReward(UnitTests())


@pytest.fixture
def anew() -> Iterator[None]:
    """Layers are tried again, before and after."""
    sandbox.layers.cache_clear()
    yield
    sandbox.layers.cache_clear()


@pytest.mark.usefixtures("anew")
def test_a_bubblewrap_that_shuts_nothing_in_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name that only starts what it is given."""
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done\nshift\nexec "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(bubble, "PLACES", str(tmp_path))
    assert sandbox._run("1", "1", Limits(), ("bubblewrap",)).passed  # it does start it
    assert "bubblewrap" not in sandbox.layers() and "bubblewrap" not in sandbox.format_layers()


@pytest.mark.usefixtures("anew")
def test_without_bubblewrap_the_other_layers_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubble, "PLACES", str(tmp_path))
    assert bubble.found() is None and "bubblewrap" not in sandbox.layers()


@pytest.mark.usefixtures("anew")
def test_bubblewrap_is_used_where_it_works() -> None:
    works = subprocess.run(
        [bubble.found() or "false", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True
    )
    if works.returncode:
        pytest.skip("no bubblewrap that works is installed here")
    assert "bubblewrap" in sandbox.layers() and "namespaces" not in sandbox.layers()
    assert "bubblewrap" in sandbox.format_layers()
    seen = run("import os\ndef f(): return os.path.exists('/etc/passwd'), os.getpid()", "seen = f()\nassert not seen[0]"
               " and seen[1] < 10", LIMITS)  # fmt: skip
    assert seen.passed, seen.said


@pytest.mark.parametrize(
    ("hold", "wanted"),
    [
        ({"bubblewrap", "user", "landlock"}, ("bubblewrap", "user", "landlock")),
        ({"user", "landlock", "namespaces"}, ("user", "landlock", "namespaces")),
        ({"bubblewrap"}, ("bubblewrap",)),
        (set(), ()),
    ],
)
@pytest.mark.usefixtures("anew")
def test_as_many_layers_as_hold_together_are_used(
    monkeypatch: pytest.MonkeyPatch, hold: set[str], wanted: tuple[str, ...]
) -> None:
    """Each holds alone where it is in `hold`; bubblewrap makes namespaces of its own."""
    monkeypatch.setattr(bubble, "found", lambda: "bwrap")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sandbox, "_holds", lambda some: set(some) <= hold)
    assert sandbox.layers() == wanted


def test_answers_that_tamper_are_counted_and_score_nothing() -> None:
    forged, _ = shut_in.FORGED["every descriptor"]
    rewards = build_rewards([UnitTests(seconds=2)])
    row = Row(0, "data.jsonl:3", fields={"tests": "assert add(2, 3) == 5"})
    answers = ["def add(a, b): return a + b", forged, "def add(a, b): return a - b"]
    found = rewards([[]] * 3, answers, [row] * 3)
    assert found.total == [1, 0, 0] and found.tampered == 1
    assert rewards([[]], answers[:1], [row]).tampered == 0  # of these answers, not of all


def test_a_layer_that_does_not_hold_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_holds", lambda some: "landlock" not in some)
    sandbox.layers.cache_clear()
    assert "landlock" not in sandbox.layers() and "Landlock" not in sandbox.format_layers()
    sandbox.layers.cache_clear()
