"""Base against tuned on the sealed rows: answers, likelihoods, paired difference, verdict."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean as mean
from typing import Any

from whet.data.prepare import Prepared
from whet.data.pretrain.blocks import read_through
from whet.data.pretrain.corpus import Corpus
from whet.data.render.renderer import Renderer
from whet.errors import DataError, NonFiniteError
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.mark_accuracy import MARK_REASON, apart, moved_rightly
from whet.evaluation.metrics.preference_accuracy import (
    PAIR_REASON,
    against,
    at_equal_length,
    beware,
    moved,
    prefers,
    read_pairs,
)
from whet.evaluation.metrics.turns import Turns
from whet.evaluation.models import READ_TOKENS, Side
from whet.evaluation.sampling_noise import row_means, sampling_noise, summary
from whet.evaluation.verdict import compare
from whet.generation.engine import Sampling, generate
from whet.model.adapter import causal_lm
from whet.model.base import Base
from whet.pulse import saying
from whet.recipe.schema import Evaluate, Grpo, Ppo, Recipe, Rloo
from whet.rewards.combine import Rewards
from whet.stats.paired import cluster_sizes, clusters_of
from whet.stats.power import promised_gain
from whet.stats.rows_needed import effective_rows
from whet.types import Answer, Row

Progress = Callable[[int, int], None]
LONGEST_ANSWER = 512
ANSWERED_PAIRS, LONGEST_SHOWN = 8, 128
"""Prompts of preference pairs that both sides answer for people to read, and the tokens of each answer."""
ROOM = 64
"""Tokens that an answer may have however short the references are."""


def write(
    sides: Sequence[Side],
    origin: Base,
    renderer: Renderer,
    turns: Turns,
    tokens: int,
    wanted: Evaluate,
    seed: int,
    progress: Progress,
) -> dict[str, list[Answer]]:
    """What each side answers to every turn, `wanted.samples` times."""
    prompts = [renderer.prompt_ids(row.prompt, row.tools) for row in turns.rows]
    each = len(prompts) * wanted.samples
    drawing = Drawing(wanted.samples, wanted.temperature, seed)
    written = {}
    for number, side in enumerate(sides):
        counted = partial(_counted, progress, number * each, len(sides) * each)
        written[side.name] = ask(side, origin, prompts, renderer, tokens, counted, drawing)
    return written


def _counted(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def measure_pairs(
    base: Side, tuned: Side, origin: Base, prepared: Prepared, wanted: Evaluate, seed: int, progress: Progress
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """For preference pairs: how often each side finds the chosen answer likelier, the same at equal lengths, and how
    far the answers moved apart. A few prompts are answered by both sides, to be read, not to be scored."""
    rows = prepared.test_rows
    found = {side.name: read_pairs(side, prepared.test) for side in (base, tuned)}
    read = {side: {row.index: pairs[row.index] for row in rows} for side, pairs in found.items()}
    scores = {side: [prefers(pair) for pair in pairs.values()] for side, pairs in read.items()}
    facts = paired_facts("preference-accuracy", PAIR_REASON, scores, rows, seed)
    for side, pairs in read.items():
        tokens = sum(pair.chosen_tokens for pair in pairs.values())
        facts[side]["nll_per_token"] = -sum(pair.chosen for pair in pairs.values()) / tokens
        facts[side]["length_controlled"] = at_equal_length(pairs)
    facts["tuned"] |= against(read["base"], read["tuned"])
    facts["tuned"] |= moved(read["base"], read["tuned"], seed, clusters_of(rows))
    if warning := beware(read["base"], read["tuned"]):
        facts["caution"] = warning.strip()
        facts["verdict"]["sentence"] += warning
    places = sorted(random.Random(seed).sample(range(len(rows)), min(ANSWERED_PAIRS, len(rows))))
    tokens = wanted.max_new_tokens or LONGEST_SHOWN
    prompts = [prepared.renderer.prompt_ids(rows[place].prompt, rows[place].tools) for place in places]
    written = {}
    for number, side in enumerate((base, tuned)):
        counted = partial(_counted, progress, number * len(prompts), 2 * len(prompts))
        written[side.name] = ask(side, origin, prompts, prepared.renderer, tokens, counted)
    lines = answer_lines(rows, scores, {side: [""] * len(rows) for side in read})
    for number, place in enumerate(places):
        lines[place] |= {side: answers[number].text for side, answers in written.items()} | {"shown": True}
    facts["shown_answers"] = {"rows": [rows[place].index for place in places], "limit": tokens}
    return facts, lines


def measure_rewarded(
    base: Side, tuned: Side, origin: Base, prepared: Prepared, rewards: Rewards, recipe: Recipe, progress: Progress
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """For methods that learn from rewards: greedy answers of each side, compared by the first reward of the recipe, or
    by the metric that it asks for."""
    rows, renderer, wanted = prepared.test_rows, prepared.renderer, recipe.evaluate
    if not rows:
        raise DataError("there are no test rows, so nothing can be said", fix="make split.test larger than 0")
    assert isinstance(recipe.method, Grpo | Rloo | Ppo)
    tokens = wanted.max_new_tokens or recipe.method.max_new_tokens
    prompts = [renderer.prompt_ids(row.prompt, row.tools) for row in rows]
    own = wanted.metric == "auto"
    name = "reward" if own else wanted.metric
    reason = f"the first reward of the recipe: {rewards.main}" if own else "asked for in the recipe"
    texts, scores, more = {}, {}, {}
    for before, side in ((0, base), (len(rows), tuned)):
        answers = ask(side, origin, prompts, renderer, tokens, lambda done, n=before: progress(n + done, 2 * len(rows)))
        texts[side.name] = [answer.text for answer in answers]
        given = [answer.text.strip() for answer in answers]
        found = rewards([row.prompt for row in rows], given, rows)
        scores[side.name] = [metric.RowScore(value) for value in found.parts[rewards.main]]
        if not own:
            scores[side.name] = [metric.score(name, text, row) for text, row in zip(given, rows, strict=True)]
        more[side.name] = {
            "rewards": {part: mean(values) for part, values in found.parts.items()},
            "reward": mean(found.total),
            "answer_tokens": mean([len(answer.ids) for answer in answers]),
        } | ({"tampered": found.tampered} if found.tampered else {})
    facts = paired_facts(name, reason, scores, rows, recipe.seed)
    for side, found in more.items():
        facts[side] |= found
    if number := more["tuned"].get("tampered"):
        facts["caution"] = f"{number:,} of its answers tampered with the tests and scored 0"
        facts["verdict"]["sentence"] += f" Beware: {facts['caution']}."
    return facts, answer_lines(rows, scores, texts)


def measure_marks(
    base: Side, tuned: Side, prepared: Prepared, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """For marked answers: how often each moved the right way between base and tuned. Nothing is generated."""
    rows = prepared.test_rows
    nll = {side.name: side.segments_nll(prepared.test) for side in (base, tuned)}
    gains = [nll["base"][row.index][0] - nll["tuned"][row.index][0] for row in rows]
    scores = moved_rightly(gains, rows)
    facts = paired_facts("mark-accuracy", MARK_REASON, scores, rows, seed)
    facts["tuned"] |= apart(gains, rows)
    return facts, answer_lines(rows, scores, {side: [""] * len(rows) for side in nll})


def measure_blocks(
    base: Side, tuned: Side, corpus: Corpus, context: int, seed: int
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """For pre-training: the probability of held-out text, block by block; and the scores of both sides."""
    if len(corpus.test) < 2:
        raise DataError("there is no held-out text, so nothing can be said", fix="make split.test larger than 0")
    found = {side.name: side.nll(read_through(corpus.test, context, READ_TOKENS)) for side in (base, tuned)}
    rows = [Row(index, f"block {index}") for index in sorted(found["base"])]
    scores = {side: [metric.likelihood(*nll_of(nll, row)) for row in rows] for side, nll in found.items()}
    reason = "text has no answers, so the probability of held-out blocks is compared"
    facts = paired_facts("nll", reason, scores, rows, seed)
    return facts, {side: [score.value for score in found] for side, found in scores.items()}


@dataclass(frozen=True, slots=True)
class Drawing:
    """How answers are decoded: greedily, once each, where nothing else is said."""

    samples: int = 1
    temperature: float = 0.0
    seed: int = 0


def ask(
    side: Side,
    origin: Base,
    prompts: Sequence[list[int]],
    renderer: Renderer,
    tokens: int,
    done: Callable[[int], None],
    drawing: Drawing = Drawing(),
) -> list[Answer]:
    """`drawing.samples` answers of one side to each prompt, in the order of the prompts; greedy ones from its memory,
    where it has one and knows them."""

    def write(asked: Sequence[list[int]], done: Callable[[int], None]) -> list[Answer]:
        with side.acting(), saying(side.name):
            return generate(
                causal_lm(side.policy.model),
                origin.tokenizer,
                asked,
                renderer.stop_ids,
                Sampling(tokens, drawing.temperature, seed=drawing.seed),
                context=origin.context,
                progress=done,
                samples=drawing.samples,
            )

    if side.memory is None or drawing.temperature or drawing.samples > 1:
        return write(prompts, done)
    return [told.answer() for told in side.memory.recall(side.name, prompts, tokens, write, done)]


def answer_tokens(rows: Sequence[Row], origin: Base) -> int:
    """Longest answer that is asked for, from the references of the rows."""
    return limit_of(max(len(ids) for ids in origin.tokenizer([row.reference for row in rows])["input_ids"]))


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
    values = {side: [score.value for score in found] for side, found in scores.items()}
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


def answer_lines(
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
