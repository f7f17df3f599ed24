"""Rewards on the sealed rows: greedy answers of each side, scored as the training scored them."""

from __future__ import annotations

from statistics import fmean as mean

from whet.evaluation.contest import Contest, Measured
from whet.evaluation.heldout import lines_of_answers
from whet.evaluation.metrics import scoring as metric
from whet.rewards.combine import Rewards


def measure_rewarded(contest: Contest, rewards: Rewards) -> Measured:
    """For methods that learn from rewards: greedy answers of each side, compared by the first reward of the recipe, or
    by the metric that it asks for."""
    rows, wanted = contest.rows, contest.recipe.evaluate
    own = wanted.metric == "auto"
    name = "reward" if own else wanted.metric

    if own:
        reason = f"the first reward of the recipe: {rewards.main}"
    else:
        reason = "asked for in the recipe"

    written = contest.answers_of_both(contest.prompts(rows), contest.answer_limit(rows))
    scores, more = {}, {}
    for side, answers in written.items():
        given = [answer.text.strip() for answer in answers]
        found = rewards([row.prompt for row in rows], given, rows)
        scores[side] = [metric.RowScore(value) for value in found.parts[rewards.main]]

        if not own:
            scores[side] = [metric.score(name, text, row) for text, row in zip(given, rows, strict=True)]
        more[side] = {
            "rewards": {part: mean(values) for part, values in found.parts.items()},
            "reward": mean(found.total),
            "answer_tokens": mean([len(answer.ids) for answer in answers]),
        } | ({"tampered": found.tampered} if found.tampered else {})

    facts = contest.difference(name, reason, scores)
    for side, found in more.items():
        facts[side] |= found

    if number := more["tuned"].get("tampered"):
        facts["caution"] = f"{number:,} of its answers tampered with the tests and scored 0"
        facts["verdict"]["sentence"] += f" Beware: {facts['caution']}."

    texts = {side: [answer.text for answer in answers] for side, answers in written.items()}
    return facts, lines_of_answers(rows, scores, texts)
