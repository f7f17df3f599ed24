"""Where a row has several answers that count, an opponent is asked for each of them, and its row gets their mean, just
as base and tuned do (whet/evaluation/metrics/turns.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whet.evaluation.metrics.turns import DIGITS, Turns
from whet.evaluation.opponents.opponent import Opponent


def places_of(turns: Turns, rows: Sequence[int]) -> list[int]:
    """Places of the turns of these rows."""
    chosen = set(rows)
    return [place for place, owner in enumerate(turns.owner) if owner in chosen]


def by_row(one: Opponent, turns: Turns) -> Opponent:
    """What was asked by turns, all turns of each row in question, as scores of rows; of the answers the last one's."""
    scores: dict[int, float] = {}
    texts: dict[int, str] = {}
    for number, place in enumerate(one.places):
        owner = turns.owner[place]
        scores[owner] = scores.get(owner, 0.0) + turns.weight[place] * one.scores[number]

        if one.texts is not None:
            texts[owner] = one.texts[number]

    values = [round(value, DIGITS) for value in scores.values()]
    return replace(one, places=list(scores), scores=values, texts=None if one.texts is None else list(texts.values()))
