"""Win rate: on how many held-out prompts does the tuned model's answer score higher than the base's?

A rule, a reward model or a judge scores the answers of both, each by itself; equal scores count half. The answers are
those that the evaluation scored, or greedy ones if it wrote none. This works for every method whose model writes, and
measures what preferences are about: which answer is liked more, not which is likelier.
"""

from __future__ import annotations

from collections.abc import Sequence

from whet.evaluation.contest import Contest
from whet.evaluation.facts import SIDES, AnswerLine
from whet.evaluation.heldout import answer_tokens
from whet.evaluation.preference_facts import WinFacts
from whet.rewards.combine import Rewards
from whet.stats.bradley_terry import format_counts
from whet.stats.paired import clusters_of, mean_interval, win_interval
from whet.stats.power import mcnemar_p
from whet.types import Row

SAME = 1e-9
"""Scores closer than this are equal."""


def measure_wins(lines: Sequence[AnswerLine], rows: Sequence[Row], rewards: Rewards, seed: int) -> WinFacts:
    """The key `wins` of evaluation.json, for the answers in the lines of answers.jsonl."""
    by_index = {row.index: row for row in rows}
    asked = [by_index[line["row"]] for line in lines]
    prompts = [row.prompt for row in asked]

    scores = {}
    for side in SIDES:
        scores[side] = rewards(prompts, [line[side].strip() for line in lines], asked).total
    return win_rate(scores["base"], scores["tuned"], rewards.main, seed, clusters_of(asked))


def answers_where_missing(lines: list[AnswerLine], contest: Contest) -> list[AnswerLine]:
    """The lines as they are, if answers were written for the score, so that both judge the same words; else, if
    probabilities were compared, the lines with greedy answers."""
    for line in lines:
        if (line["base"] or line["tuned"]) and not line.get("shown"):
            return lines

    rows = contest.rows
    tokens = contest.recipe.evaluate.max_new_tokens or answer_tokens(rows, contest.loaded)
    written = contest.answers_of_both(contest.prompts(rows), tokens)
    place = {row.index: number for number, row in enumerate(rows)}

    answered: list[AnswerLine] = []
    for line in lines:
        number = place[line["row"]]
        base, tuned = written["base"][number].text.strip(), written["tuned"][number].text.strip()
        answered.append({**line, "base": base, "tuned": tuned})
    return answered


def outcome(base: float, tuned: float) -> float:
    """1 if the tuned model's answer scores higher, 0 if the base's does, 0.5 if they are equal."""
    if abs(tuned - base) <= SAME:
        return 0.5
    return float(tuned > base)


def win_rate(
    base: Sequence[float], tuned: Sequence[float], by: str, seed: int, clusters: Sequence[object] | None = None
) -> WinFacts:
    """`rate` (1 a win, 0.5 a tie) with its 95% interval, and the two-sided p of the sign test over decided rows; both
    over clusters if rows share one. `by` names what scored."""
    outcomes = [outcome(*scores) for scores in zip(base, tuned, strict=True)]
    wins, ties = outcomes.count(1.0), outcomes.count(0.5)
    losses = len(outcomes) - wins - ties

    rate = sum(outcomes) / len(outcomes)
    low, high = mean_interval(outcomes, seed)
    p = mcnemar_p(wins, losses)
    if grouped := win_interval(outcomes, seed, clusters):
        low, high, p = grouped

    sentence = (
        f"Win rate {rate:.1%} (95% interval {low:.1%} to {high:.1%}), judged by {by}: "
        f"{format_counts(wins, ties, losses)}."
    )

    return {
        "rate": rate,
        "low": low,
        "high": high,
        "p": p,
        "wins": wins,
        "ties": ties,
        "losses": losses,
        "by": by,
        "scores": {"base": sum(base) / len(base), "tuned": sum(tuned) / len(tuned)},
        "statement": sentence,
    }
