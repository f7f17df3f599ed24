"""If a row has several answers that count, an opponent is asked for each of them, and its row gets their mean, just as
base and tuned do (whet/evaluation/metrics/turns.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whet.evaluation.metrics.turns import DIGITS, Turns
from whet.evaluation.opponents.opponent import Opponent


def places_of(turns: Turns, rows: Sequence[int]) -> list[int]:
    """Places of the turns of these rows."""
    chosen = set(rows)
    return [place for place, owner in enumerate(turns.owner) if owner in chosen]


def by_row(opponent: Opponent, turns: Turns) -> Opponent:
    """What was asked by turns, all turns of each row in question, as scores of rows; its answer is that to the last."""
    scores: dict[int, float] = {}
    for place, score in zip(opponent.places, opponent.scores, strict=True):
        owner = turns.owner[place]
        scores[owner] = scores.get(owner, 0.0) + turns.weight[place] * score

    texts = None
    if opponent.texts is not None:
        last = {turns.owner[place]: text for place, text in zip(opponent.places, opponent.texts, strict=True)}
        texts = list(last.values())

    values = [round(score, DIGITS) for score in scores.values()]
    return replace(opponent, places=list(scores), scores=values, texts=texts)
