"""Preference pairs on the sealed rows: which answer each side finds likelier, and what both write, to be read."""

from __future__ import annotations

import random

from whet.evaluation.contest import Contest, Measured
from whet.evaluation.heldout import lines_of_answers
from whet.evaluation.metrics.preference_accuracy import (
    PAIR_REASON,
    at_equal_length,
    degeneration_warning,
    preference_score,
    read_pairs,
    reward_gains,
    reward_margins,
)

ANSWERED_PAIRS, LONGEST_SHOWN = 8, 128
"""Prompts of preference pairs that both sides answer for people to read, and the tokens of each answer."""


def measure_pairs(contest: Contest) -> Measured:
    """For preference pairs: how often each side finds the chosen answer likelier, the same at equal lengths, and how
    far the answers moved apart. A few prompts are answered by both sides, to be read, not to be scored."""
    rows, seed = contest.rows, contest.recipe.seed
    found = {model.name: read_pairs(model, contest.prepared.test) for model in contest.models}
    read = {side: {row.index: pairs[row.index] for row in rows} for side, pairs in found.items()}
    scores = {side: [preference_score(pair) for pair in pairs.values()] for side, pairs in read.items()}

    facts = contest.difference("preference-accuracy", PAIR_REASON, scores)
    for side, pairs in read.items():
        tokens = sum(pair.chosen_tokens for pair in pairs.values())
        facts[side]["nll_per_token"] = -sum(pair.chosen for pair in pairs.values()) / tokens
        facts[side]["length_controlled"] = at_equal_length(pairs)

    facts["tuned"] |= reward_gains(read["base"], read["tuned"])
    facts["tuned"] |= reward_margins(read["base"], read["tuned"], seed, contest.clusters)

    if warning := degeneration_warning(read["base"], read["tuned"]):
        facts["caution"] = warning.strip()
        facts["verdict"]["sentence"] += warning

    places = sorted(random.Random(seed).sample(range(len(rows)), min(ANSWERED_PAIRS, len(rows))))
    tokens = contest.recipe.evaluate.max_new_tokens or LONGEST_SHOWN
    written = contest.answers_of_both(contest.prompts([rows[place] for place in places]), tokens)

    lines = lines_of_answers(rows, scores, {side: [""] * len(rows) for side in read})
    for number, place in enumerate(places):
        lines[place] |= {side: answers[number].text for side, answers in written.items()} | {"shown": True}

    facts["shown_answers"] = {"rows": [rows[place].index for place in places], "limit": tokens}
    return facts, lines
