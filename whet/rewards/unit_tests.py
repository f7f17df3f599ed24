"""Code answers: the row's own tests are run on the answer, both shut in (whet/rewards/sandbox/process.py)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from whet.errors import DataError
from whet.recipe.schema import UnitTests
from whet.rewards.sandbox.process import Limits, refuse_bare_root, run
from whet.store.memory_and_cores import usable_cores
from whet.types import Message, Row

FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)


class UnitTestReward:
    """1 where answer and tests run to their end without an error; 0 for an answer that tampers with its tests, which is
    counted. As many answers at a time as there are cores."""

    def __init__(self, settings: UnitTests) -> None:
        """Raises InputError on a machine that cannot shut code in, or where root would run it behind one wall alone."""
        self.column = settings.column
        self.limits = Limits(settings.seconds, settings.memory_mb << 20)
        self.tampered = 0
        """Of the answers scored last, those that tampered with their tests."""
        refuse_bare_root(settings.as_root)

    def __call__(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
        pairs = [(code_of(answer), self.tests_of(row)) for answer, row in zip(answers, rows, strict=True)]
        with ThreadPoolExecutor(usable_cores()) as pool:
            outcomes = list(pool.map(lambda pair: run(pair[0], pair[1], self.limits), pairs))
        self.tampered = sum(outcome.tampered for outcome in outcomes)
        return [float(outcome.passed) for outcome in outcomes]

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
