"""From the answers of all arms to numbers: scores, costs, paired differences, and the advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from statistics import fmean as mean
from typing import cast

from whet.evaluation.comparison.advice import Advice, Candidate, PairedGap, best_of, recommend
from whet.evaluation.comparison.arms import Arm
from whet.evaluation.comparison.comparison_facts import ArmDifference, ArmFacts, ArmResults, CompareVerdict
from whet.evaluation.facts import GroundingFacts
from whet.evaluation.heldout import texts_of
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import Turns
from whet.evaluation.prompts import FittedPrompts, question_of
from whet.evaluation.retrieval.grounding import grounding, passages_hold_answer
from whet.evaluation.verdict import decide
from whet.generation.collection.spending import MILLION
from whet.recipe.sections.compare import Compare, RemoteModel
from whet.stats.multiple_tests import holm
from whet.stats.paired import clusters_of, paired_difference
from whet.stats.rows_needed import rows_needed
from whet.types import Completion, Difference, Row

HOUR = 3600
Differences = dict[tuple[str, str], Difference]
"""The first arm minus the second, p after Holm's correction over all pairs."""


@dataclass(frozen=True, slots=True)
class ArmAnswers:
    """An arm with its prompts and answers, one for each turn that is asked, and the scores of the rows."""

    arm: Arm
    prompts: FittedPrompts
    answers: list[Completion]
    scores: list[metric.RowScore]

    @property
    def values(self) -> list[float]:
        return metric.values_of(self.scores)


def arm_results(
    asked: Sequence[ArmAnswers], turns: Turns, settings: Compare, name: str, context: int, seed: int
) -> ArmResults:
    """The keys `arms`, `differences`, `verdict` and `standing` of a comparison."""
    rows = turns.whole
    arms = [arm_facts(answers, turns, settings, name, context) for answers in asked]
    candidates = [candidate(answers.arm, facts) for answers, facts in zip(asked, arms, strict=True)]

    differences = all_pairs(asked, rows, seed)
    scale = scale_of(asked)
    advice = advise(asked, candidates, differences, rows, settings.margin, scale)

    return {
        "arms": arms,
        "differences": pair_facts(differences),
        "verdict": verdict_of(advice, candidates, differences),
        "standing": dict(advice.standing or {}),
        "scale": scale,
    }


def pair_facts(differences: Differences) -> list[ArmDifference]:
    """The key `differences` of a comparison."""
    facts = []
    for (arm, other), difference in differences.items():
        facts.append(cast(ArmDifference, {"arm": arm, "other": other, **asdict(difference)}))
    return facts


def scale_of(asked: Sequence[ArmAnswers]) -> float | None:
    """None where all scores lie within 0..1, else their range over all arms."""
    values: list[float] = []
    for answers in asked:
        values += answers.values
    if 0 <= min(values) and max(values) <= 1:
        return None
    return max(values) - min(values)


def arm_facts(asked: ArmAnswers, turns: Turns, settings: Compare, name: str, context: int) -> ArmFacts:
    """One arm in numbers; tokens and seconds an answer, cost in dollars a thousand of them (None without prices)."""
    arm, answers, prompts = asked.arm, asked.answers, asked.prompts
    summary = metric.aggregate(name, asked.scores, turns.whole)
    prompt = mean([answer.prompt_tokens for answer in answers])
    written = mean([answer.answer_tokens for answer in answers])
    seconds = mean([answer.seconds for answer in answers])
    longest = max(answer.prompt_tokens + answer.answer_tokens for answer in answers)
    cut_off = sum(not answer.finished for answer in answers)
    estimated = any(answer.estimated for answer in answers)

    used_context: int | None = context
    if arm.remote:
        used_context = None
    grounded = None
    if arm.framing == "retrieval":
        grounded = grounding_of(asked, turns.rows)

    return {
        "name": arm.name,
        "label": arm.label,
        "score": summary["score"],
        "low": summary["low"],
        "high": summary["high"],
        "rows": summary["rows"],
        "seconds_per_answer": seconds,
        "prompt_tokens": prompt,
        "answer_tokens": written,
        "cost": cost(arm, settings, prompt, written, seconds),
        "context_used": longest,
        "context": used_context,
        "cut_off": cut_off,
        "tokens_estimated": estimated,
        "beside": prompts.noun,
        "offered": prompts.offered,
        "kept": prompts.kept,
        "reduced": prompts.reduced,
        "bare": prompts.bare,
        "trained": arm.trained,
        "grounding": grounded,
    }


def grounding_of(asked: ArmAnswers, rows: Sequence[Row]) -> GroundingFacts:
    """Are the answers supported by the passages that the prompts held, and refused where these lack the answer?"""
    passages = []
    for parts in asked.prompts.parts:
        passages.append([passage.text for passage in parts])

    questions = [question_of(row) for row in rows]
    holds = passages_hold_answer([row.reference for row in rows], passages)
    return grounding(texts_of(asked.answers), passages, questions, holds, clusters=clusters_of(rows))


def cost(arm: Arm, settings: Compare, prompt: float, answer: float, seconds: float) -> float | None:
    """Dollars a thousand answers: by the server's prices, or by the hour of this machine."""
    if arm.remote is None:
        if settings.price_per_hour is None:
            return None
        return 1000 * seconds * settings.price_per_hour / HOUR
    return server_cost(arm.remote, prompt, answer)


def server_cost(remote: RemoteModel, prompt: float, answer: float) -> float | None:
    if remote.price_in is None or remote.price_out is None:
        return None
    return 1000 * (prompt * remote.price_in + answer * remote.price_out) / MILLION


def all_pairs(asked: Sequence[ArmAnswers], rows: Sequence[Row], seed: int) -> Differences:
    """Every arm against every other on the same rows; all of them are one family, so that the best may be picked after
    looking."""
    clusters = clusters_of(rows)
    raw = {}
    for first, second in combinations(asked, 2):
        raw[first.arm.name, second.arm.name] = paired_difference(second.values, first.values, seed, clusters)

    adjusted = holm([difference.p for difference in raw.values()])
    return {pair: replace(raw[pair], p=p) for pair, p in zip(raw, adjusted, strict=True)}


def between(differences: Differences, first: str, second: str) -> Difference:
    """`first` minus `second`."""
    if (first, second) in differences:
        return differences[first, second]
    turned = differences[second, first]
    return replace(turned, estimate=-turned.estimate, low=-turned.high, high=-turned.low)


def candidate(arm: Arm, facts: ArmFacts) -> Candidate:
    return Candidate(
        arm.name,
        arm.label,
        arm.do,
        score=facts["score"],
        low=facts["low"],
        high=facts["high"],
        tokens=facts["prompt_tokens"] + facts["answer_tokens"],
        prompt_tokens=facts["prompt_tokens"],
        cost=facts["cost"],
        trained=arm.trained,
        effort=arm.effort,
    )


def advise(
    asked: Sequence[ArmAnswers],
    candidates: Sequence[Candidate],
    differences: Differences,
    rows: Sequence[Row],
    margin: float,
    scale: float | None,
) -> Advice:
    top = best_of(candidates).name
    values = {answers.arm.name: answers.values for answers in asked}

    gaps = {}
    for name in values.keys() - {top}:
        gap = between(differences, name, top)
        gaps[name] = PairedGap(gap.estimate, gap.low, gap.high, gap.p)

    clusters = clusters_of(rows)

    def needed(name: str) -> int:
        return rows_needed(values[top], values[name], margin * (scale or 1.0), clusters=clusters)

    return recommend(candidates, gaps, margin, len(rows), needed, scale)


def verdict_of(advice: Advice, candidates: Sequence[Candidate], differences: Differences) -> CompareVerdict:
    """The advice, and `word`: is the best trained arm better than the best of those that need no training?"""
    trained = [each for each in candidates if each.trained]
    untrained = [each for each in candidates if not each.trained]
    word = None
    do = {each.name: each.do for each in candidates}

    if trained and untrained:
        word = decide(between(differences, best_of(trained).name, best_of(untrained).name)).word
    return {
        "word": word,
        "arm": advice.arm,
        "meanwhile": advice.meanwhile,
        "do": do.get(advice.arm or advice.meanwhile or ""),
        "sentence": advice.sentence,
        "rows_needed": advice.rows_needed,
    }
