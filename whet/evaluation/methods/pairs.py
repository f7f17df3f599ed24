"""Preference pairs on the sealed rows: which answer each model finds likelier, and what both write, to be read."""

from __future__ import annotations

import random

from whet.evaluation.contest import Contest
from whet.evaluation.facts import SIDES, AnswerLine, Evaluation, Measured, add_keys
from whet.evaluation.heldout import lines_of_answers
from whet.evaluation.metrics.preference_accuracy import (
    PAIR_REASON,
    PairLogprobs,
    at_equal_length,
    degeneration_warning,
    preference_score,
    read_pairs,
    reward_gains,
    reward_margins,
)

ANSWERED_PAIRS, LONGEST_SHOWN = 8, 128
"""Prompts of preference pairs that both models answer for people to read, and the tokens of each answer."""


def measure_pairs(contest: Contest) -> Measured:
    """How often each model finds the chosen answer likelier, the same at equal lengths, and how far the answers moved
    apart. Both models answer a few prompts, to be read, not to be scored."""
    pairs: dict[str, dict[int, PairLogprobs]] = {}
    for model in contest.models:
        by_index = read_pairs(model, contest.prepared.test)
        pairs[model.name] = {row.index: by_index[row.index] for row in contest.rows}

    scores = {}
    for side, side_pairs in pairs.items():
        scores[side] = [preference_score(pair) for pair in side_pairs.values()]

    facts = contest.difference("preference-accuracy", PAIR_REASON, scores)
    for side in SIDES:
        tokens = sum(pair.chosen_tokens for pair in pairs[side].values())
        facts[side]["nll_per_token"] = -sum(pair.chosen for pair in pairs[side].values()) / tokens
        facts[side]["length_controlled"] = at_equal_length(pairs[side])

    base, tuned = pairs["base"], pairs["tuned"]
    add_keys(facts["tuned"], reward_gains(base, tuned))
    add_keys(facts["tuned"], reward_margins(base, tuned, contest.recipe.seed, contest.clusters))

    if warning := degeneration_warning(base, tuned):
        facts["caution"] = warning.strip()
        facts["verdict"]["sentence"] += warning

    lines = lines_of_answers(contest.rows, scores)
    show_answers(facts, lines, contest)
    return facts, lines


def show_answers(facts: Evaluation, lines: list[AnswerLine], contest: Contest) -> None:
    """Writes both models' answers to a few prompts, drawn by the seed, into their lines."""
    rows = contest.rows
    drawn = random.Random(contest.recipe.seed).sample(range(len(rows)), min(ANSWERED_PAIRS, len(rows)))
    chosen = [rows[place] for place in sorted(drawn)]

    tokens = contest.recipe.evaluate.max_new_tokens or LONGEST_SHOWN
    written = contest.answers_of_both(contest.prompts(chosen), tokens)
    for number, place in enumerate(sorted(drawn)):
        for side in SIDES:
            lines[place][side] = written[side][number].text
        lines[place]["shown"] = True

    facts["shown_answers"] = {"rows": [row.index for row in chosen], "limit": tokens}
