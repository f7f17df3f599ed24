"""The task on a sample of validation rows, by the trained model and by what is served, row by row.

Only of forms that change the weights. The same rows, the same metric, greedy answers of the same length: the paired
difference and its 95% interval must lie above minus the budget (non-inferiority). Test rows stay sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whet.data.prepare import Prepared
from whet.errors import InputError
from whet.evaluation.heldout import answer_tokens, generate_answers
from whet.evaluation.metrics.scoring import choose, score
from whet.evaluation.models import base_and_tuned
from whet.methods import method_of
from whet.model.open import open_trained
from whet.observer import Silent
from whet.release.consumers.protocol import Consumer
from whet.release.golden_of_run import validation_rows
from whet.release.proof import TaskScore
from whet.release.proving import AskTask
from whet.stats.paired import paired_difference
from whet.store.run import Run
from whet.store.unchanged import refuse_changed_data
from whet.training.session import Session, open_session
from whet.types import Row

ROWS = 80
BUDGET = 0.1
"""Share of the score that a form may cost; with so few rows the interval alone is some points wide."""
LONGEST = 128
"""Most tokens of an answer."""
UNSCORED = ("nll", "preference-accuracy", "mark-accuracy")
"""Metrics that read probabilities, which the proof compares anyhow."""


@dataclass(slots=True)
class TrainedAnswers:
    """What the trained model said to the rows, in its own engine."""

    metric: str
    rows: Sequence[Row]
    prompts: list[list[int]]
    limit: int
    scores: list[float]
    session: Session

    def asked_of(self, consumer: Consumer) -> TaskScore | None:
        """The same rows through a consumer; None where it does not tell what it writes."""
        decode = self.session.renderer.tokenizer.decode
        written = [consumer.greedy(prompt, self.limit) for prompt in self.prompts]

        texts = [str(decode(one.ids, skip_special_tokens=True)).strip() for one in written if one is not None]
        if len(texts) < len(written):
            return None
        served = [score(self.metric, text, row).value for text, row in zip(texts, self.rows, strict=True)]
        found = paired_difference(self.scores, served)
        size, means = len(served), [sum(one) / len(one) for one in (self.scores, served)]
        budget = BUDGET * (found.scale or 1.0)

        return TaskScore(self.metric, size, means[0], means[1], found.estimate, found.low, found.high, budget)


def task_asker(run: Run) -> AskTask:
    """Gives the task's score through a consumer; None where the run has no rows, or no answers that could be scored."""
    known: list[TrainedAnswers | None] = []

    def ask_task(consumer: Consumer) -> TaskScore | None:
        if not known:  # the trained model answers once, whatever many consumers are asked
            known.append(_trained_answers(run))
        if known[0]:
            return known[0].asked_of(consumer)
        return None

    return ask_task


def _trained_answers(run: Run) -> TrainedAnswers | None:
    try:
        refuse_changed_data(run)
        with run.reading():
            session = open_session(run.recipe, run, method_of, Silent())
            return _answered(run, session)
    except InputError:
        return None  # the data has gone since; the golden prompts say so


def _answered(run: Run, session: Session) -> TrainedAnswers | None:
    if not isinstance(session.source, Prepared):
        return None

    rows = [row for row in validation_rows(session, ROWS) if row.prompt and row.reference.strip()]
    wanted = session.recipe.evaluate.metric

    if rows:
        if wanted != "auto":
            metric = wanted
        else:
            metric = choose(rows)[0]
    else:
        metric = "nll"

    if metric in UNSCORED:
        return None

    renderer = session.renderer
    opened = open_trained(run, renderer=renderer, trust_remote_code=session.recipe.trust_remote_code, kernels=False)
    tuned = base_and_tuned(opened.model, opened.use_forest, opened.base_model)[1]
    prompts = [renderer.prompt_ids(row.prompt, row.tools) for row in rows]
    limit = min(LONGEST, answer_tokens(rows, opened.base))
    room = opened.base.context - limit
    kept = [number for number, prompt in enumerate(prompts) if len(prompt) <= room]
    rows, prompts = [rows[number] for number in kept], [prompts[number] for number in kept]
    answers = generate_answers(tuned, opened.base, prompts, renderer, limit, lambda done: None)
    scores = [score(metric, answer.text.strip(), row).value for answer, row in zip(answers, rows, strict=True)]

    return TrainedAnswers(metric, rows, prompts, limit, scores, session)
