"""Code answers: the row's own tests are run after the answer, shut in (whet/reward/sandbox.py)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from whet.errors import DataError
from whet.recipe.schema import UnitTests
from whet.reward.sandbox import Limits, refuse_unlimited, run
from whet.types import Message, Row

FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)


class UnitTestReward:
    """1 where answer and tests run to their end without an error. One process an answer, as many as there are cores."""

    def __init__(self, settings: UnitTests) -> None:
        """Raises InputError on a machine that cannot shut code in."""
        self.column = settings.column
        self.limits = Limits(settings.seconds, settings.memory_mb << 20)
        refuse_unlimited()

    def __call__(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
        sources = [f"{code_of(answer)}\n\n{self.tests_of(row)}\n" for answer, row in zip(answers, rows, strict=True)]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return [float(outcome.passed) for outcome in pool.map(lambda source: run(source, self.limits), sources)]

    def tests_of(self, row: Row) -> str:
        """Raises DataError for a row without tests."""
        tests = (row.fields or {}).get(self.column)
        if not isinstance(tests, str) or not tests.strip():
            what = f"the reward 'tests' wants Python code in the column {self.column!r}"
            fix = "fill it, or name the right one: {kind: tests, column: ...}"
            raise DataError(what, where=row.where, value=tests, fix=fix)
        return tests


def code_of(answer: str) -> str:
    """The last fenced block of Python, or the whole answer where there is none."""
    blocks = FENCE.findall(answer)
    return blocks[-1] if blocks else answer
