"""Graders that are Python: `grade(sample, item)`, run in the sandbox of code rewards, many answers in one go.

The grader's code runs as the sandbox's answer does, in a process without network, files or other processes; the values
that it gives are asked for by a process beside it, and written as one line that begins with a word nobody can guess.
"""

from __future__ import annotations

import ast
import json
import math
import secrets
from collections.abc import Sequence

from whet.errors import InputError
from whet.rewards.sandbox.process import Limits, refuse_bare_root, run
from whet.server.jobs.graders.grades import Grade
from whet.server.jobs.graders.spec import Python
from whet.server.jobs.graders.templates import Sample

AT_ONCE = 16
"""Answers of one run of the sandbox."""
START_SECONDS, ANSWER_SECONDS = 10.0, 2.0
MEMORY = 512 << 20
TESTS = """
import json
for sample, item in json.loads({pairs!r}):
    try:
        value = [float(grade(sample, item)), ""]
    except Exception as error:
        value = [None, type(error).__name__ + ": " + str(error)[:200]]
    print({word!r} + json.dumps(value), flush=True)
"""


def refuse_source(source: str) -> None:
    """Raises InputError for what is no Python, or has no function `grade`; and where code cannot be shut in."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"this is no Python: {error}", fix="define grade(sample, item)") from error
    if not any(isinstance(node, ast.FunctionDef) and node.name == "grade" for node in body):
        raise InputError("it has no function grade(sample, item)", fix="define it: def grade(sample, item) -> float")
    refuse_bare_root(allowed=False)


class PythonGrader:
    def __init__(self, spec: Python) -> None:
        self.source = spec.source

    def __call__(self, samples: Sequence[Sample]) -> list[Grade]:
        grades: list[Grade] = []
        for start in range(0, len(samples), AT_ONCE):
            grades += self._graded(samples[start : start + AT_ONCE])
        return grades

    def _graded(self, samples: Sequence[Sample]) -> list[Grade]:
        """Where one of several ends the run of all, each is run alone."""
        word = secrets.token_hex(16)
        pairs = json.dumps([[sample.namespace, dict(sample.item)] for sample in samples], default=str)
        seconds = START_SECONDS + ANSWER_SECONDS * len(samples)
        outcome = run(self.source, TESTS.format(pairs=pairs, word=word), Limits(seconds, MEMORY))

        lines = [line.removeprefix(word) for line in outcome.said.splitlines() if line.startswith(word)]
        if len(lines) == len(samples):
            return [_grade(*json.loads(line)) for line in lines]
        if len(samples) > 1:
            return [self._graded([sample])[0] for sample in samples]
        return [Grade(None, "python_grader_runtime_error", outcome.said.strip()[-500:] or "it was ended")]


def _grade(value: float | None, why: str) -> Grade:
    if value is None:
        return Grade(None, "python_grader_runtime_error", why)
    if not math.isfinite(value):
        return Grade(None, "python_grader_runtime_error", f"grade returned {value}")
    return Grade(value)
