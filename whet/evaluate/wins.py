"""Win rate: on how many held-out prompts does the tuned model's answer score higher than the base's?

A rule, a reward model or a judge scores the greedy answers of both, each by itself; equal scores count half. Works for
every method whose model writes, and is what preferences are about: which answer is liked more, not which is likelier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy.stats import binomtest

from whet.data.prepare import Prepared
from whet.evaluate.heldout import Progress, answer_tokens, ask
from whet.evaluate.sides import Side
from whet.evaluate.statistics import cluster_codes, clusters_of, mean_interval, win_interval
from whet.model.base import Base
from whet.recipe.schema import Recipe
from whet.reward.combine import Rewards

SAME = 1e-9
"""Scores closer than this are equal."""


def measure_wins(
    base: Side, tuned: Side, origin: Base, prepared: Prepared, rewards: Rewards, recipe: Recipe, progress: Progress
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The key `wins` of evaluation.json, and the answers of each side by its name."""
    rows = prepared.test_rows
    texts = written(base, tuned, origin, prepared, recipe, progress)
    scores = {side: rewards([row.prompt for row in rows], found, rows).total for side, found in texts.items()}
    return win_rate(scores["base"], scores["tuned"], rewards.main, recipe.seed, clusters_of(rows)), texts


def written(
    base: Side, tuned: Side, origin: Base, prepared: Prepared, recipe: Recipe, progress: Progress
) -> dict[str, list[str]]:
    """The greedy answers of each side to the test rows, by its name."""
    rows, renderer = prepared.test_rows, prepared.renderer
    prompts = [renderer.prompt_ids(row.prompt, row.tools) for row in rows]
    tokens = recipe.evaluate.max_new_tokens or answer_tokens(rows, origin)
    texts: dict[str, list[str]] = {}
    for before, side in ((0, base), (len(rows), tuned)):
        answers = ask(side, origin, prompts, renderer, tokens, lambda done, n=before: progress(n + done, 2 * len(rows)))
        texts[side.name] = [answer.text.strip() for answer in answers]
    return texts


def win_rate(
    base: Sequence[float], tuned: Sequence[float], by: str, seed: int, clusters: Sequence[object] | None = None
) -> dict[str, Any]:
    """`rate` (1 a win, 0.5 a tie) with its 95% interval, and the two-sided p of the sign test over decided rows; both
    over clusters where rows share one."""
    outcomes = [0.5 if abs(b - a) <= SAME else float(b > a) for a, b in zip(base, tuned, strict=True)]
    wins, ties = outcomes.count(1.0), outcomes.count(0.5)
    losses = len(outcomes) - wins - ties
    rate, (low, high) = sum(outcomes) / len(outcomes), mean_interval(outcomes, seed)
    p = float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    if clusters is not None and cluster_codes(clusters, len(outcomes)) is not None:
        low, high, p = win_interval(outcomes, seed, clusters)
    sentence = (
        f"Win rate {rate:.1%} (95% interval {low:.1%} to {high:.1%}), judged by {by}: "
        f"{wins} wins, {ties} ties, {losses} losses."
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
