"""A grader as a reward of Whet's: the file that a job's recipe names calls this."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whet.errors import RunError
from whet.server.jobs.graders.build import Means, grader_of, read_grader
from whet.server.jobs.graders.templates import Sample
from whet.types import Message

FILE = '''"""The grader of a fine-tuning job, as a reward."""

from pathlib import Path

from whet.server.jobs.graders.reward import GraderReward

reward = GraderReward({grader!r}, {url!r}, {key!r}, Path(__file__).parent / "judged")
'''


class GraderReward:
    """A grader that fails on an answer abstains; where it fails on all that it is asked about, the run stops."""

    def __init__(self, grader: str, url: str, key: str | None, cache: Path) -> None:
        means = Means(True, url, key)  # what was not allowed was refused when the job was made
        self.grader = grader_of(read_grader(json.loads(grader)), means, cache)

    def __call__(
        self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> list[float | None]:
        grades = self.grader([Sample(answer, row) for answer, row in zip(answers, rows, strict=True)])
        failed = [grade for grade in grades if grade.score is None]
        if failed and len(failed) == len(grades):
            what = f"the grader failed on all {len(grades)} answers: {failed[0].flag}: {failed[0].why}"
            raise RunError(what, where="the grader", fix="try it out first: POST /v1/fine_tuning/alpha/graders/run")
        return [grade.score for grade in grades]


def reward_file(grader: Mapping[str, Any], means: Means) -> str:
    """The Python file of a grader, for a reward of the kind `function`."""
    return FILE.format(grader=json.dumps(grader, sort_keys=True), url=means.url, key=means.key)
