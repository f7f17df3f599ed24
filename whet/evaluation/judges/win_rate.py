"""Win rate: on how many held-out prompts does the tuned model's answer score higher than the base's?

A rule, a reward model or a judge scores the answers of both, each by itself; equal scores count half. The answers are
those that the evaluation scored, drawn ones where the recipe asks for them; greedy ones where it wrote none. Works for
every method whose model writes, and is what preferences are about: which answer is liked more, not which is likelier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whet.evaluation.contest import Contest
from whet.evaluation.heldout import answer_tokens
from whet.rewards.combine import Rewards
from whet.stats.bradley_terry import format_counts
from whet.stats.paired import clusters_of, mean_interval, win_interval
from whet.stats.power import mcnemar_p
from whet.types import Row

SIDES = ("base", "tuned")
SAME = 1e-9
"""Scores closer than this are equal."""


def measure_wins(lines: Sequence[dict[str, Any]], rows: Sequence[Row], rewards: Rewards, seed: int) -> dict[str, Any]:
    """The key `wins` of evaluation.json, for the answers in the lines of answers.jsonl."""
    by_index = {row.index: row for row in rows}
    asked = [by_index[line["row"]] for line in lines]
    prompts = [row.prompt for row in asked]
    scores = {}
    for side in SIDES:
        scores[side] = rewards(prompts, [line[side].strip() for line in lines], asked).total
    return win_rate(scores["base"], scores["tuned"], rewards.main, seed, clusters_of(asked))


def answers_where_missing(lines: list[dict[str, Any]], contest: Contest) -> list[dict[str, Any]]:
    """The lines as they are where answers were written for the score, so that both are of the same words; else, where
    probabilities were compared, with greedy answers."""
    if any(line[side] and not line.get("shown") for line in lines for side in SIDES):
        return lines
    rows = contest.rows
    tokens = contest.recipe.evaluate.max_new_tokens or answer_tokens(rows, contest.loaded)

    texts: dict[str, dict[int, str]] = {}
    for side, answers in contest.answers_of_both(contest.prompts(rows), tokens).items():
        texts[side] = {row.index: answer.text.strip() for row, answer in zip(rows, answers, strict=True)}
    return [line | {side: found[line["row"]] for side, found in texts.items()} for line in lines]


def win_rate(
    base: Sequence[float], tuned: Sequence[float], by: str, seed: int, clusters: Sequence[object] | None = None
) -> dict[str, Any]:
    """`rate` (1 a win, 0.5 a tie) with its 95% interval, and the two-sided p of the sign test over decided rows; both
    over clusters where rows share one."""
    outcomes = [0.5 if abs(b - a) <= SAME else float(b > a) for a, b in zip(base, tuned, strict=True)]
    wins, ties = outcomes.count(1.0), outcomes.count(0.5)
    losses = len(outcomes) - wins - ties
    rate, (low, high) = sum(outcomes) / len(outcomes), mean_interval(outcomes, seed)
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
