"""An untuned candidate asked some rows as it is, with a prompt and with examples, by the code of a verdict's
opponents; and a tuned one as a verdict asks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean as mean
from typing import Any

from whet.errors import DataError
from whet.evaluation.contest import Contest
from whet.evaluation.heldout import texts_of
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import Turns
from whet.evaluation.opponents.constant import choose, constant
from whet.evaluation.opponents.few_shot import LABEL as EXAMPLES
from whet.evaluation.opponents.few_shot import FewShotOpponent
from whet.evaluation.opponents.prompted import LABEL as PROMPTED
from whet.evaluation.opponents.prompted import PromptedOpponent
from whet.evaluation.opponents.setting import Setting
from whet.evaluation.prompts import PromptStyle, ZeroShot
from whet.selection.choice_facts import AskedName
from whet.types import Completion


@dataclass(frozen=True, slots=True)
class Asked:
    """One way of one candidate: a score a row, 0 for a row whose prompt does not fit; means of one answer."""

    rows: list[int]
    """Indices in the input."""
    values: list[float]
    prompt_tokens: float
    answer_tokens: float
    seconds: float
    detail: str = ""

    @property
    def score(self) -> float:
        return mean(self.values)

    def facts(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RowAsker:
    """`turns` are the rows of the setting, one for each answer that is asked."""

    setting: Setting
    turns: Turns

    def ask(self, way: AskedName) -> Asked:
        """Raises DataError where no prompt of this way can be made."""
        if way == "as_it_is":
            return self._styled(ZeroShot(), "the base as it is")
        if way == "examples":
            return self._styled(FewShotOpponent(self.setting, self.setting.tokens).style, EXAMPLES)
        return self._prompted()

    def constant(self) -> tuple[str, list[float]]:
        """The best constant answer of the training rows: what it is called, and its score of each row. Raises DataError
        if no training row has an answer in words."""
        setting = self.setting
        if not setting.seen.rows:
            raise DataError("no training row has an answer in words")
        always = constant(
            choose(setting.seen, setting.compared, setting.score, setting.own), setting.rows, setting.score
        )
        return always.label, self.turns.by_row(always.scores)

    def _styled(self, style: PromptStyle, label: str) -> Asked:
        rows = self.setting.rows
        fitting = self.setting.fits(style, rows)
        if not fitting:
            raise DataError("beside an answer there is no room for a prompt of it")
        prompts = self.setting.fitted(style, [rows[place] for place in fitting])
        return self._asked(fitting, self.setting.ask(label, prompts), prompts.tokens)

    def _prompted(self) -> Asked:
        setting = self.setting
        opponent = PromptedOpponent(setting, float("inf"), setting.tokens)
        way = opponent.choose()
        fitting = setting.fits(way.phrasing.style, setting.rows)
        if not fitting:
            raise DataError(f"beside an answer there is no room for {PROMPTED}")

        given = opponent.give(way, [setting.rows[place] for place in fitting])
        return self._asked(fitting, given.answers, given.prompts.tokens, f"{way.by}: {way.phrasing.words}")

    def _asked(
        self, places: Sequence[int], answers: Sequence[Completion], prompts: Sequence[Sequence[int]], detail: str = ""
    ) -> Asked:
        """Tokens of a prompt are those that a server counted, or else those of this tokenizer."""
        scores = self.setting.values(texts_of(answers), [self.setting.rows[place] for place in places])
        values = [0.0] * len(self.setting.rows)
        for place, score in zip(places, scores, strict=True):
            values[place] = score

        lengths = []
        for answer, ids in zip(answers, prompts, strict=True):
            lengths.append(answer.prompt_tokens or len(ids))
        left = len(values) - len(places)
        if left:
            detail = f"{detail}; {left:,} answers not asked, whose prompt would not fit: 0 each".removeprefix("; ")
        return Asked(
            [row.index for row in self.turns.whole],
            self.turns.by_row(values),
            mean(lengths),
            mean([answer.answer_tokens for answer in answers]),
            mean([answer.seconds for answer in answers]),
            detail,
        )


def ask_tuned(contest: Contest, turns: Turns, name: str) -> Asked:
    """The tuned model, as the verdict asks it; `name` is the metric."""
    rows = turns.rows
    prompts = contest.prompts(rows)

    def count(done: int) -> None:
        contest.observer.step(done, len(rows), {})

    answers = contest.answers(contest.tuned, prompts, contest.answer_limit(rows), count)
    texts = [answer.text.strip() for answer in answers]
    values = turns.by_row(metric.values_of(metric.score_all(name, texts, rows)))

    return Asked(
        [row.index for row in turns.whole],
        values,
        mean(map(len, prompts)),
        mean([answer.answer_tokens for answer in answers]),
        mean([answer.seconds for answer in answers]),
    )
