"""People compare the answers of base and tuned, without knowing whose they are. Torch-free."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from whet.errors import InputError, count
from whet.evaluation.judges import people
from whet.evaluation.judges.people import Choice, Pair
from whet.recipe.keywords import in_python
from whet.reports.result import Result
from whet.store import model_registry
from whet.store.run import DEFAULT_ROOT, Run


@in_python
def judge(run: Run | str | Path, who: str | None = None, run_root: Path | str = DEFAULT_ROOT) -> Judging:
    """The pairs of answers that this person has not judged yet; the same call again goes on.

    `who` is the login where it is not given. Each judgement is on the disk as soon as it is kept. Raises
    RunFolderError where the run has no two answers to compare.
    """
    name = who if who is not None else login()
    if not name.strip():
        raise InputError("the name of who judges is empty", where="--who", fix="as in: --who anna")
    run = model_registry.find_run(run, run_root)

    return Judging(people.start_session(run.folder, name))


@dataclass(frozen=True, slots=True)
class Question:
    """A request and two answers. Whose they are is not shown, neither here nor printed."""

    request: str
    left: str
    right: str
    pair: Pair = field(repr=False)


class Judging:
    """One person before one run: go through it, and `keep` what was chosen of each question."""

    def __init__(self, sitting: people.JudgingSession) -> None:
        self._sitting = sitting
        self.who = sitting.who

    def __len__(self) -> int:
        """How many questions there were at the beginning."""
        return len(self._sitting.waiting)

    def __iter__(self) -> Iterator[Question]:
        for pair in self._sitting.waiting:
            yield Question(pair.request, pair.text("left"), pair.text("right"), pair)

    def __repr__(self) -> str:
        return f"Judging({str(self._sitting.folder)!r}): {count(len(self), 'pair')} to judge as {self.who}"

    @in_python
    def keep(self, question: Question, choice: Choice) -> None:
        """`left`, `right`, `tie`, `bad` (both are) or `skip`. Raises InputError for any other choice."""
        if choice not in get_args(Choice):
            fix = f"one of {', '.join(get_args(Choice))}"
            raise InputError("this is no choice", where="choice", value=choice, fix=fix)
        self._sitting.keep(question.pair, choice)

    @in_python
    def result(self) -> Result:
        """What all people together say of this run: win rate, counts of choices, agreement."""
        return Result(people.result(self._sitting.folder))


def login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise InputError("this login has no name", where="--who", fix="as in: --who anna") from error
