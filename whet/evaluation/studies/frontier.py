"""Task score against general score on the line from base to tuned (WiSE-FT, arXiv 2109.01903), on validation rows.

Neither side is seen again: the task is scored on the validation part, general ability on prompts that are kept out of
every replay, and the verdict, the suites and the general text are measured afterwards on rows of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import NotRequired, TypedDict, cast

from whet.data.prepare import Prepared, read_rows
from whet.data.render.renderer import Renderer
from whet.data.retrieval.raft import with_found_passages
from whet.errors import DataError
from whet.evaluation.contest import Contest
from whet.evaluation.facts import MetricFacts
from whet.evaluation.forgetting import skills
from whet.evaluation.forgetting.budget import score_budget
from whet.evaluation.forgetting.suites import measured_prompts
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import Turns, judged_turns
from whet.evaluation.studies.unit_scores import refuse_other_scale, refuse_outside_unit
from whet.generation.self_generated import GeneralPrompt, fitting, held_back, prompts_file, read_asked
from whet.model.interpolate import interpolated
from whet.recipe.schema import Recipe
from whet.stats.paired import clusters_of, mean_interval
from whet.text.normalise import one_line
from whet.types import Row

SCALES = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
MOST_ROWS = 200
"""Validation rows and general prompts that are asked at each scale: enough to tell the points apart."""
NO_SHARES = "they cannot be weighed against a share of general prompts"


@dataclass(frozen=True, slots=True)
class Estimate:
    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """What the model is worth at `scale` of the way from base to tuned."""

    scale: float
    task: Estimate
    general: Estimate


class EstimateFacts(TypedDict):
    score: float
    low: float
    high: float


class PointFacts(TypedDict):
    scale: float
    task: EstimateFacts
    general: EstimateFacts


class FrontierFacts(TypedDict):
    """frontier.json; `run` and `svg` are added as it is written."""

    run: NotRequired[str]
    metric: MetricFacts
    rows: int
    general_rows: int
    general: str
    points: list[PointFacts]
    budget: float
    budget_reason: str
    scale: float
    """The point that would be taken, and why."""
    why: str
    svg: NotRequired[str]


def measure_frontier(contest: Contest) -> FrontierFacts:
    """The points, and which one would be taken.

    Raises DataError without validation rows that have answers, RecipeError for a base without general prompts.
    """
    recipe, prepared, renderer, loaded = contest.recipe, contest.prepared, contest.renderer, contest.loaded
    rows, name, reason = task_rows(recipe, prepared)
    path = prompts_file(recipe.keep.prompts, loaded.path)
    asked = fitting(general_prompts(recipe, prepared, renderer, loaded.path), loaded.context)[:MOST_ROWS]
    turns = judged_turns(recipe, rows)
    tokens = contest.answer_limit(turns.rows)
    prompts = contest.prompts(with_found_passages(recipe, turns.rows, renderer))
    points = _Reader(contest, turns, prompts, tokens, name, asked).points()
    budget, budget_reason = score_budget(recipe.forgetting.score, len(asked))
    chosen, why = choose(points, budget)

    return {
        "metric": {"name": name, "reason": reason},
        "rows": len(rows),
        "general_rows": len(asked),
        "general": f"held-out prompts of {path.name}",
        "points": [cast(PointFacts, asdict(point)) for point in points],
        "budget": budget,
        "budget_reason": budget_reason,
        "scale": chosen.scale,
        "why": why,
    }


def task_rows(recipe: Recipe, prepared: Prepared) -> tuple[list[Row], str, str]:
    """Validation rows, the metric that scores their answers, and why. Raises DataError, InputError."""
    rows = list(read_rows(recipe, prepared, ("validation",)))[:MOST_ROWS]
    name, reason = recipe.evaluate.metric, "asked for in the recipe"
    if rows and name == "auto":
        name, reason = metric.choose(prepared.test_rows or rows)  # as the verdict does, so that both mean the same

    if not rows or name == "nll" or not all(row.reference for row in rows):
        fix = "give split.validation above 0, and rows with answers"
        what = "there are no validation rows with answers to compare the scales on"
        raise DataError(what, where=str(recipe.data), value=name if rows else None, fix=fix)

    refuse_other_scale(name, rows, NO_SHARES)
    return rows, name, reason


def general_prompts(recipe: Recipe, prepared: Prepared, renderer: Renderer, base_folder: str) -> list[GeneralPrompt]:
    """Prompts that are neither learned nor asked again after the choice. Raises DataError, RecipeError."""
    path = prompts_file(recipe.keep.prompts, base_folder)
    sealed = {one_line(words) for words in measured_prompts(recipe, prepared, base_folder)}
    held = held_back(read_asked(path, renderer, renderer.tokenizer))

    asked = [one for one in held if one_line(one.words) not in sealed]
    if not asked:
        fix = "give at least twenty of them, which no suite and no test row asks"
        raise DataError("there are too few general prompts to measure on", where=str(path), value=0, fix=fix)

    return asked


@dataclass(slots=True)
class _Reader:
    """Asks one model at every scale."""

    contest: Contest
    turns: Turns
    prompts: list[list[int]]
    tokens: int
    metric: str
    asked: list[GeneralPrompt]

    def points(self) -> list[Point]:
        opened, observer, seed = self.contest.opened, self.contest.observer, self.contest.recipe.seed
        each = len(self.turns.rows) + len(self.asked)
        references = [one.reference for one in self.asked]

        found = []
        for place, scale in enumerate(SCALES):
            with interpolated(opened.model, opened.base_model, scale):
                task, answers = self._read(
                    lambda done, at=place * each: observer.step(at + done, len(SCALES) * each, {})
                )

            if place == 0:  # where the file gives no answer, the base's own is the one to keep
                references = [given or own for given, own in zip(references, answers, strict=True)]
            right = [float(same(one, other)) for one, other in zip(answers, references, strict=True)]
            found.append(Point(scale, summary(task, seed, clusters_of(self.turns.whole)), summary(right, seed)))

        return found

    def _read(self, done: Callable[[int], None]) -> tuple[list[float], list[str]]:
        """The score of each validation row over its turns, and the answer to each general prompt."""
        contest = self.contest
        written = contest.answers(contest.tuned, self.prompts, self.tokens, done)
        pairs = zip(written, self.turns.rows, strict=True)
        scores = [metric.score(self.metric, answer.text.strip(), row).value for answer, row in pairs]
        refuse_outside_unit(self.metric, scores, NO_SHARES)
        general = [one.ids for one in self.asked]
        answers = contest.answers(contest.tuned, general, skills.TOKENS, lambda count: done(len(written) + count))

        return self.turns.by_row(scores), [answer.text for answer in answers]


def same(one: str, other: str) -> bool:
    return one_line(one) == one_line(other)


def summary(values: Sequence[float], seed: int, clusters: Sequence[object] | None = None) -> Estimate:
    return Estimate(sum(values) / len(values), *mean_interval(values, seed, clusters))


def choose(points: Sequence[Point], budget: float) -> tuple[Point, str]:
    """The best task score among the points whose general score fell by no more than `budget` below the base's; among
    equals the one nearest to the base. Where none of them learned something, the best mean of both scores; the base
    where no point at all did."""
    start = next(point for point in points if point.scale == 0)
    within = [point for point in points if start.general.score - point.general.score <= budget + 1e-9]

    moved = [point for point in within if point.task.score > start.task.score]
    if moved:
        best = max(moved, key=lambda point: (point.task.score, -point.scale))
        return best, f"the best task score among the points that keep the general score within {100 * budget:g} points"
    if all(point.task.score <= start.task.score for point in points):
        return start, "no point scores better on the task than the base does"

    best = max(points, key=lambda point: (point.task.score + point.general.score, -point.scale))
    why = f"no point that learned something keeps the general score within {100 * budget:g} points; this one has the "
    return best, why + "best mean of both scores"
