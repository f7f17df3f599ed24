"""A second try from what was learned already: the point on the way from base to tuned that keeps enough of the base.

It is chosen on texts, general prompts and validation rows that nothing else reads: the general text, the suites and the
test rows that the verdict rests on are looked at afterwards, once for each try. Along the way a loss on other text
falls steadily to nothing, so the points are tried from the tuned model downwards and the first that fits is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean as mean
from typing import Any, TypedDict

from whet.data.prepare import prepared_of, read_rows
from whet.data.retrieval.raft import with_found_passages
from whet.data.source import Source
from whet.evaluation.contest import Contest
from whet.evaluation.forgetting import skills
from whet.evaluation.forgetting.budget import score_budget, text_budget
from whet.evaluation.forgetting.measure_kinds import choosing_texts, text_measure
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import judged_turns
from whet.evaluation.models import text_nll
from whet.evaluation.studies.frontier import general_prompts, same
from whet.generation.self_generated import GeneralPrompt, fitting
from whet.model.interpolate import interpolated
from whet.recipe.schema import Recipe
from whet.types import Row

SCALES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
MOST_ROWS = 60
"""Validation rows, and general prompts, that are asked at a point: enough to see that something is left of the task."""


class Point(TypedDict):
    """What is measured at a point; None where the base or the data gives nothing to measure it on."""

    scale: float
    text: float
    text_high: float
    general: float | None
    task: float | None


class NearerPoint(TypedDict):
    """nearer.json."""

    scale: float | None
    """How far from base to tuned; None where no point will do."""
    why: str
    points: list[Point]
    """Those that were tried, the farthest first."""


def choose_nearer(contest: Contest, below: float) -> NearerPoint:
    """The farthest point below `below` that keeps enough."""
    recipe, reader = contest.recipe, _Reader(contest)
    rows, name = _task_rows(recipe, contest.source)
    general = _general(contest)
    budgets = text_budget(recipe.forgetting.text)[0], score_budget(recipe.forgetting.score, max(1, len(general)))[0]
    tried = [scale for scale in SCALES if scale < below - 1e-9]

    with reader.at(0.0):
        texts, kept, learned = reader.nats(), reader.right(general), reader.task(rows, name)
    points: list[Point] = []
    for done, scale in enumerate(tried):
        contest.observer.step(done, len(tried), {})
        with reader.at(scale):
            found = text_measure(lambda _: texts, lambda _: reader.nats(), choosing_texts(), None, recipe.seed)
            fits = found.high <= budgets[0]
            score = reader.right(general) if fits else None
            fits = fits and (kept is None or score is None or kept - score <= budgets[1] + 1e-9)
            task = reader.task(rows, name) if fits else None

        points.append({"scale": scale, "text": found.loss, "text_high": found.high, "general": score, "task": task})
        if fits:
            left = learned is None or task is None or task > learned
            why = "the farthest point that keeps what was held back of the general texts and prompts within budget"

            if not left:
                why = "at the first point that keeps enough, nothing of the task is left on the validation rows"
            return {"scale": scale if left else None, "why": why, "points": points}

    why = "no point on the way keeps the general texts within budget"
    return {"scale": None, "why": why, "points": points}


def _task_rows(recipe: Recipe, source: Source) -> tuple[list[Row], str]:
    """Validation rows with answers that can be scored, and by what; none where there are none."""
    if source.plain_text:
        return [], ""
    rows = list(read_rows(recipe, prepared_of(source), ("validation",)))[:MOST_ROWS]
    asked = recipe.evaluate.metric

    if not rows or not all(row.reference for row in rows):
        return [], ""

    if asked == "auto":
        name = metric.choose(source.test_rows or rows)[0]
    else:
        name = asked

    return ([], "") if name == "nll" else (rows, name)


def _general(contest: Contest) -> list[GeneralPrompt]:
    """Held-back prompts with answers, where the base has skills with a budget."""
    source, loaded = contest.source, contest.loaded
    if source.plain_text or not skills.load_suite(loaded.path):
        return []
    held = fitting(general_prompts(contest.recipe, prepared_of(source), contest.renderer, loaded.path), loaded.context)
    return [one for one in held if one.reference][:MOST_ROWS]


@dataclass(slots=True)
class _Reader:
    """Reads and asks the model where it stands."""

    contest: Contest

    def at(self, scale: float) -> Any:
        return interpolated(self.contest.opened.model, self.contest.opened.base_model, scale)

    def nats(self) -> list[tuple[float, int]]:
        base, tuned = self.contest.loaded, self.contest.tuned
        return text_nll(tuned, choosing_texts(), lambda text: base.tokenizer(text)["input_ids"], base.context)

    def right(self, asked: Sequence[GeneralPrompt]) -> float | None:
        """The share of these prompts that is answered as their file says."""
        if not asked:
            return None
        found = self._ask([one.ids for one in asked], skills.TOKENS)
        return mean(float(same(one, other.reference)) for one, other in zip(found, asked, strict=True))

    def task(self, rows: list[Row], name: str) -> float | None:
        """The mean score of these rows."""
        if not rows:
            return None
        contest = self.contest
        turns = judged_turns(contest.recipe, rows)
        asked = with_found_passages(contest.recipe, turns.rows, contest.renderer)
        found = self._ask(contest.prompts(asked), contest.answer_limit(turns.rows))
        scores = [metric.score(name, text.strip(), row) for text, row in zip(found, turns.rows, strict=True)]

        return mean(turns.by_row([score.value for score in scores]))

    def _ask(self, prompts: list[list[int]], tokens: int) -> list[str]:
        found = self.contest.answers(self.contest.tuned, prompts, tokens)
        return [answer.text for answer in found]
