"""What every measurement on held-out rows is made of: answers, the paired difference with its verdict, and lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from whet.data.render.renderer import Renderer
from whet.errors import NonFiniteError
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.models import EvaluatedModel
from whet.evaluation.sampling_noise import row_means, sampling_noise, summary
from whet.evaluation.verdict import compare
from whet.generation.engine import Sampling, generate
from whet.model.adapter import causal_lm
from whet.model.base import Base
from whet.pulse import saying
from whet.recipe.schema import Evaluate, Recipe
from whet.stats.paired import cluster_sizes, clusters_of
from whet.stats.power import promised_gain
from whet.stats.rows_needed import effective_rows
from whet.types import Completion, Row

Progress = Callable[[int, int], None]
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


def generate_answers(
    model: EvaluatedModel,
    loaded: Base,
    prompts: Sequence[list[int]],
    renderer: Renderer,
    tokens: int,
    done: Callable[[int], None],
    drawing: Drawing = GREEDY,
) -> list[Completion]:
    """`drawing.samples` answers of one side to each prompt, in the order of the prompts; greedy ones from its memory,
    where it has one and knows them."""

    def write(asked: Sequence[list[int]], done: Callable[[int], None]) -> list[Completion]:
        with model.active(), saying(model.name):
            return generate(
                causal_lm(model.policy.model),
                loaded.tokenizer,
                asked,
                renderer.stop_ids,
                Sampling(tokens, drawing.temperature, seed=drawing.seed),
                context=loaded.context,
                progress=done,
                samples=drawing.samples,
            )

    if model.memory is None or drawing.temperature or drawing.samples > 1:
        return write(prompts, done)
    return model.memory.recall(model.name, prompts, tokens, write, done)


def answer_tokens(rows: Sequence[Row], loaded: Base) -> int:
    """Longest answer that is asked for, from the references of the rows."""
    return limit_of(max(len(ids) for ids in loaded.tokenizer([row.reference for row in rows])["input_ids"]))


def longest_answer(recipe: Recipe, rows: Sequence[Row], loaded: Base) -> int:
    """Tokens that an answer may have: what the recipe says, or the method, or the references of the rows."""
    return recipe.evaluate.max_new_tokens or recipe.method.answer_tokens or answer_tokens(rows, loaded)


def limit_of(longest: int) -> int:
    """Half as much again as the longest reference in tokens, and at least ROOM: a base that was never shown the form
    writes whole sentences, and what it says must fit in."""
    return min(LONGEST_ANSWER, max(ROOM, longest + longest // 2 + 8))


def nll_of(found: dict[int, tuple[float, float]], row: Row) -> tuple[float, int]:
    loss, weight = found[row.index]
    return loss, max(1, round(weight))


def refuse_not_finite(scores: dict[str, list[metric.RowScore]], rows: Sequence[Row]) -> None:
    """Raises NonFiniteError with the place of the first row whose score is not a number."""
    for side, found in scores.items():
        for score, row in zip(found, rows, strict=True):
            if not math.isfinite(score.value):
                what, fix = f"the score of the {side} model is not a number", "see what scores this row"
                raise NonFiniteError(what, where=row.where, value=score.value, fix=fix)


def paired_facts(
    name: str, reason: str, scores: dict[str, list[metric.RowScore]], rows: Sequence[Row], seed: int
) -> dict[str, Any]:
    refuse_not_finite(scores, rows)
    values = {}
    for side, found in scores.items():
        values[side] = [score.value for score in found]
    clusters = clusters_of(rows)
    difference, verdict = compare(values["base"], values["tuned"], seed, clusters)
    effective = effective_rows(values["base"], values["tuned"], clusters)
    gain = promised_gain(cluster_sizes(rows), effective)

    return {
        "metric": {"name": name, "reason": reason},
        "base": metric.aggregate(name, scores["base"], rows),
        "tuned": metric.aggregate(name, scores["tuned"], rows),
        "difference": asdict(difference),
        "verdict": asdict(verdict)
        | {"content": None, "form": None}
        | {"clusters": difference.clusters or len(rows), "effective_rows": effective},
        "detectable_gain": gain if difference.scale is None else None,
    }


def sampled_facts(
    name: str, reason: str, scores: dict[str, list[metric.RowScore]], rows: Sequence[Row], wanted: Evaluate, seed: int
) -> dict[str, Any]:
    """As paired_facts, of `wanted.samples` answers a row, with the key `sampling`."""
    means = {side: row_means(found, wanted.samples) for side, found in scores.items()}
    facts = paired_facts(name, reason, means, rows, seed)
    facts |= {side: summary(name, found, rows, wanted.samples) for side, found in scores.items()}
    return facts | {"sampling": sampling_noise(scores, wanted, clusters_of(rows), facts["difference"]["scale"])}


def lines_of_answers(
    rows: Sequence[Row], scores: dict[str, list[metric.RowScore]], texts: dict[str, list[str]]
) -> list[dict[str, Any]]:
    return [
        {
            "row": row.index,
            "where": row.where,
            "prompt": row.prompt,
            "reference": row.reference,
            "base": texts["base"][n],
            "tuned": texts["tuned"][n],
            "base_score": scores["base"][n].value,
            "tuned_score": scores["tuned"][n].value,
            **({"group": row.group} if row.group else {}),
            **({"cluster": row.cluster} if row.cluster else {}),
        }
        for n, row in enumerate(rows)
    ]
