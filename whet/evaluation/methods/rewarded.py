"""Rewards on the sealed rows: greedy answers of each model, scored as the training scored them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean as mean
from typing import Any

from whet.evaluation.contest import Contest
from whet.evaluation.facts import SIDES, Measured, add_keys
from whet.evaluation.heldout import lines_of_answers, texts_of
from whet.evaluation.metrics import scoring as metric
from whet.rewards.combine import Rewards, Scores
from whet.types import Completion


def measure_rewarded(contest: Contest, rewards: Rewards) -> Measured:
    """Greedy answers of each model, compared by the first reward of the recipe, or by the metric that the recipe asks
    for."""
    rows, wanted = contest.rows, contest.recipe.evaluate.metric
    name, reason = wanted, "asked for in the recipe"
    if wanted == "auto":
        name, reason = "reward", f"the first reward of the recipe: {rewards.main}"

    written = contest.answers_of_both(contest.prompts(rows), contest.answer_limit(rows))
    prompts = [row.prompt for row in rows]
    scores, rewarded = {}, {}
    for side, answers in written.items():
        texts = [answer.text.strip() for answer in answers]
        scored = rewards(prompts, texts, rows)
        rewarded[side] = side_rewards(scored, answers)

        if wanted == "auto":
            scores[side] = [metric.RowScore(value) for value in scored.parts[rewards.main]]
        else:
            scores[side] = metric.score_all(name, texts, rows)

    facts = contest.difference(name, reason, scores)
    for side in SIDES:
        add_keys(facts[side], rewarded[side])

    if number := rewarded["tuned"].get("tampered"):
        facts["caution"] = f"{number:,} of its answers tampered with the tests and scored 0"
        facts["verdict"]["sentence"] += f" Beware: {facts['caution']}."

    given = {side: texts_of(answers) for side, answers in written.items()}
    return facts, lines_of_answers(rows, scores, given)


def side_rewards(scored: Scores, answers: Sequence[Completion]) -> dict[str, Any]:
    """What the rewards say of one model's answers: means, and how many answers tampered with tests, if any did."""
    parts = {part: mean(values) for part, values in scored.parts.items()}
    tokens = mean([len(answer.ids) for answer in answers])
    facts: dict[str, Any] = {"rewards": parts, "reward": mean(scored.total), "answer_tokens": tokens}
    if scored.tampered:
        facts["tampered"] = scored.tampered
    return facts
