"""Code of answers can compute and read; everything else is kept from it, whoever runs it."""

from __future__ import annotations

import platform
import sys
import time

import pytest

from whet.errors import DataError, InputError
from whet.recipe.schema import UnitTests
from whet.reward import sandbox
from whet.reward.guard import ARCHES
from whet.reward.sandbox import Limits, refuse_unlimited, run
from whet.reward.unit_tests import UnitTestReward, code_of
from whet.types import Row

LIMITS = Limits(seconds=2)


pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ARCHES, reason="code cannot be shut in on this machine"
)


@pytest.mark.parametrize(
    "source",
    [
        "assert sum(range(5)) == 10",
        "import math, re, json, random, collections, functools, itertools, dataclasses, typing, datetime",
        "print('out'); import sys; print('err', file=sys.stderr)",
        "print('x' * 100_000)",
    ],
)
def test_code_that_computes_passes(source: str) -> None:
    outcome = run(source, LIMITS)
    assert outcome.passed, outcome.said


FORBIDDEN = {
    "network": "import socket; socket.socket()",
    "processes": "import subprocess; subprocess.run(['ls'])",
    "forks": "import os; os.fork()",
    "threads": "import threading; threading.Thread(target=print).start()",
    "files": "open('written', 'w')",
    "files through os": "import os; os.open('written', os.O_CREAT | os.O_RDWR)",
    "removing": "import os; os.remove('answer.py')",
    "signals": "import os; os.kill(os.getppid(), 0)",
    "users": "import os; os.setuid(0)",
    "limits": "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
    "memory": "bytearray(1 << 30)",
}


@pytest.mark.parametrize("source", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_is_kept_from_it(source: str) -> None:
    outcome = run(source, LIMITS)
    assert not outcome.passed
    assert any(word in outcome.said for word in ("PermissionError", "MemoryError", "can't start", "not allowed"))


@pytest.mark.parametrize(
    "source", ["assert False", "1 / 0", "def f(:", "import os; os._exit(0)", "import sys; sys.exit(0)", "quit()"]
)
def test_leaving_early_is_not_passing(source: str) -> None:
    assert not run(source + "\nassert False", LIMITS).passed


@pytest.mark.parametrize("source", ["while True: pass", "import time; time.sleep(60)", "input()"])
def test_nothing_takes_longer_than_it_may(source: str) -> None:
    began = time.perf_counter()
    assert not run(source, Limits(seconds=1)).passed
    assert time.perf_counter() - began < 10


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    assert run("import os; assert 'SECRET_KEY' not in os.environ", LIMITS).passed


def test_where_a_limit_does_not_hold_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_unlimited.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "PROBE", sandbox.PROBE.replace("socket.socket()", "None"))
        with pytest.raises(InputError, match="it reaches the network"):
            run("pass", LIMITS)
        patch.setattr(sys, "platform", "darwin")
        with pytest.raises(InputError, match="on this system"):
            run("pass", LIMITS)
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
