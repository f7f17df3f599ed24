"""What every measurement on held-out rows is made of: answers, the paired difference with its verdict, and lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from whet.data.render.renderer import Renderer
from whet.errors import NonFiniteError
from whet.evaluation.facts import SIDES, AnswerLine, Evaluation
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.models import EvaluatedModel
from whet.evaluation.sampling_noise import row_means, sampling_noise, summary
from whet.evaluation.verdict import compare, difference_facts
from whet.generation.engine import Sampling, generate
from whet.model.adapter import causal_lm
from whet.pulse import saying
from whet.recipe.schema import Evaluate, Recipe
from whet.stats.paired import cluster_sizes, clusters_of
from whet.stats.power import promised_gain
from whet.stats.rows_needed import effective_rows
from whet.types import Completion, Row

LONGEST_ANSWER = 512
ROOM = 64
"""Tokens that an answer may have however short the references are."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How answers are decoded: greedily, once each, where nothing else is said."""

    samples: int = 1
    temperature: float = 0.0
    seed: int = 0


GREEDY = Drawing()


class Reader(Protocol):
    """How long texts are for a model, and how much it sees: a base that is loaded, or what is known of one that is
    not here."""

    @property
    def tokenizer(self) -> Any: ...

    @property
    def context(self) -> int: ...


def generate_answers(
    model: EvaluatedModel,
    loaded: Reader,
    prompts: Sequence[list[int]],
    renderer: Renderer,
    tokens: int,
    done: Callable[[int], None],
    drawing: Drawing = GREEDY,
) -> list[Completion]:
    """`drawing.samples` answers of a model to each prompt, in the order of the prompts; greedy ones come from its
    memory, if it has one that knows them."""

    def write(missing: Sequence[list[int]], done: Callable[[int], None]) -> list[Completion]:
        with model.active(), saying(model.name):
            return generate(
                causal_lm(model.policy.model),
                loaded.tokenizer,
                missing,
                renderer.stop_ids,
                Sampling(tokens, drawing.temperature, seed=drawing.seed),
                context=loaded.context,
                progress=done,
                samples=drawing.samples,
            )

    if model.memory is None or drawing.temperature or drawing.samples > 1:
        return write(prompts, done)
    return model.memory.recall(model.name, prompts, tokens, write, done)


def texts_of(answers: Sequence[Completion]) -> list[str]:
    return [answer.text for answer in answers]


def answer_tokens(rows: Sequence[Row], loaded: Reader) -> int:
    """Tokens of the longest answer that is asked for, from the references of the rows."""
    references = [row.reference for row in rows]
    return limit_of(max(map(len, loaded.tokenizer(references)["input_ids"])))


def longest_answer(recipe: Recipe, rows: Sequence[Row], loaded: Reader) -> int:
    """Tokens that an answer may have: what the recipe says, or the method, or the references of the rows."""
    return recipe.evaluate.max_new_tokens or recipe.method.answer_tokens or answer_tokens(rows, loaded)


def limit_of(longest: int) -> int:
    """Half as much again as the longest reference in tokens, and at least ROOM: a base that has never seen the form
    writes whole sentences, and they must fit."""
    return min(LONGEST_ANSWER, max(ROOM, longest + longest // 2 + 8))


def likelihoods(nll: dict[int, tuple[float, float]], rows: Sequence[Row]) -> list[metric.RowScore]:
    """The metric nll of each row, from (weighted loss in nats, weight) by the row's index."""
    scores = []
    for row in rows:
        loss, weight = nll[row.index]
        scores.append(metric.likelihood(loss, max(1, round(weight))))
    return scores


def refuse_not_finite(scores: dict[str, list[metric.RowScore]], rows: Sequence[Row]) -> None:
    """Raises NonFiniteError, naming the first row whose score is not a number."""
    for side, side_scores in scores.items():
        for score, row in zip(side_scores, rows, strict=True):
            if not math.isfinite(score.value):
                what, fix = f"the score of the {side} model is not a number", "see what scores this row"
                raise NonFiniteError(what, where=row.where, value=score.value, fix=fix)


def paired_facts(
    name: str, reason: str, scores: dict[str, list[metric.RowScore]], rows: Sequence[Row], seed: int
) -> Evaluation:
    """Metric, both scores, their paired difference and the verdict. Raises NonFiniteError."""
    refuse_not_finite(scores, rows)
    base, tuned = metric.values_of(scores["base"]), metric.values_of(scores["tuned"])

    clusters = clusters_of(rows)
    difference, verdict = compare(base, tuned, seed, clusters)
    effective = effective_rows(base, tuned, clusters)

    gain = None
    if difference.scale is None:
        gain = promised_gain(cluster_sizes(rows), effective)

    return {
        "metric": {"name": name, "reason": reason},
        "base": metric.aggregate(name, scores["base"], rows),
        "tuned": metric.aggregate(name, scores["tuned"], rows),
        "difference": difference_facts(difference),
        "verdict": {
            "word": verdict.word,
            "sentence": verdict.sentence,
            "rows_needed": verdict.rows_needed,
            "content": None,
            "form": None,
            "clusters": difference.clusters or len(rows),
            "effective_rows": effective,
        },
        "detectable_gain": gain,
    }


def sampled_facts(
    name: str, reason: str, scores: dict[str, list[metric.RowScore]], rows: Sequence[Row], wanted: Evaluate, seed: int
) -> Evaluation:
    """As paired_facts, of `wanted.samples` answers a row, with the key `sampling`."""
    means = {side: row_means(side_scores, wanted.samples) for side, side_scores in scores.items()}
    facts = paired_facts(name, reason, means, rows, seed)
    for side in SIDES:
        facts[side] = summary(name, scores[side], rows, wanted.samples)

    facts["sampling"] = sampling_noise(scores, wanted, clusters_of(rows), facts["difference"]["scale"])
    return facts


def lines_of_answers(
    rows: Sequence[Row], scores: dict[str, list[metric.RowScore]], texts: dict[str, list[str]] | None = None
) -> list[AnswerLine]:
    """A line a row; without `texts`, for what is compared and not written, the answers are empty."""
    if texts is None:
        texts = {side: [""] * len(rows) for side in SIDES}

    lines: list[AnswerLine] = []
    for n, row in enumerate(rows):
        line: AnswerLine = {
            "row": row.index,
            "where": row.where,
            "prompt": row.prompt,
            "reference": row.reference,
            "base": texts["base"][n],
            "tuned": texts["tuned"][n],
            "base_score": scores["base"][n].value,
            "tuned_score": scores["tuned"][n].value,
        }
        if row.group:
            line["group"] = row.group
        if row.cluster:
            line["cluster"] = row.cluster
        lines.append(line)

    return lines
