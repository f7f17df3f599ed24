"""All assistant turns of a test row count, each given the true turns before it; a row stays one unit.

A row's score is the mean over its turns. Of rows with many turns some are asked, the last one always and others drawn
by the seed; the last then weighs 1/T of T turns and the drawn ones share the rest, so that the mean over all turns is
estimated without bias, and goodbyes do not count more than what came before them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from whet.errors import count
from whet.evaluation.metrics.tool_calls import calls_made
from whet.recipe.schema import Recipe
from whet.types import Row

MOST_TURNS = 8
"""Turns of one row that are asked."""
MOST_ASKED = 1000
"""Turns of all rows that are asked, about; at least FEWEST_TURNS of each row."""
FEWEST_TURNS = 2
DIGITS = 12
"""Of a row's score: thirds that are all right must sum to exactly 1."""


@dataclass(frozen=True, slots=True)
class Turns:
    """One Row a turn: the conversation up to that answer, which is its reference."""

    rows: list[Row]
    owner: list[int]
    """Place of the row that each turn belongs to."""
    weight: list[float]
    """Share of each turn in its row's score; they sum to 1 in each row."""
    turn: list[int]
    """Message of each turn in its row."""
    all_turns: int
    """Of all rows, asked or not."""
    most: int
    """Turns asked of one row at most."""

    @property
    def many(self) -> bool:
        return self.all_turns > len(set(self.owner))

    @property
    def last(self) -> list[int]:
        """Place of the last turn of each row."""
        places = {owner: place for place, owner in enumerate(self.owner)}
        return [places[row] for row in range(len(places))]

    @property
    def whole(self) -> list[Row]:
        """The rows themselves: a last turn is its row."""
        return [self.rows[place] for place in self.last]

    def by_row(self, values: Sequence[float], samples: int = 1) -> list[float]:
        """Scores of turns, K answers each, as scores of rows, K each: the k-th answers of a row's turns together."""
        means = [0.0] * (len(set(self.owner)) * samples)
        for place, (owner, weight) in enumerate(zip(self.owner, self.weight, strict=True)):
            for k in range(samples):
                means[owner * samples + k] += weight * values[place * samples + k]
        return [round(mean, DIGITS) for mean in means]


def turns_of_row(row: Row) -> list[Row]:
    """One row for each assistant turn that says something and is learned, in order, and always for the last turn."""
    if row.label is not None or row.target is not None or row.rejected is not None:
        return [row]

    places = [number for number, message in enumerate(row.messages) if message.get("role") == "assistant"]
    turns = []
    for place in places[:-1]:
        if _says_something(row, place) and _learned(row, place):
            turns.append(replace(row, messages=row.messages[: place + 1]))

    return [*turns, row]


def asked_turns(rows: Sequence[Row], seed: int) -> Turns:
    """The turns of all rows that are asked, in the order of the rows and of their turns."""
    most = max(FEWEST_TURNS, min(MOST_TURNS, MOST_ASKED // max(1, len(rows))))
    asked = Turns([], [], [], [], 0, most)

    total = 0
    for place, row in enumerate(rows):
        turns = turns_of_row(row)
        total += len(turns)
        drawn = random.Random(f"{seed} {row.index}").sample(turns[:-1], min(most, len(turns)) - 1)

        chosen = set(map(id, drawn))
        for turn in turns:
            if turn is turns[-1]:
                weight = 1 / len(turns)
            elif id(turn) in chosen:
                weight = (1 - 1 / len(turns)) / len(drawn)
            else:
                continue

            asked.rows.append(turn)
            asked.owner.append(place)
            asked.weight.append(weight)
            asked.turn.append(len(turn.messages) - 1)

    return replace(asked, all_turns=total)


def last_turns(rows: Sequence[Row]) -> Turns:
    """Each row by its last answer alone."""
    count = len(rows)
    messages = [len(row.messages) - 1 for row in rows]
    return Turns(list(rows), list(range(count)), [1.0] * count, messages, count, 1)


def judged_turns(recipe: Recipe, rows: Sequence[Row]) -> Turns:
    """The turns that the verdict of this recipe goes by: a reward judges a row's last answer, all else each answer."""
    if recipe.method.by_last_answer:
        return last_turns(rows)
    return asked_turns(rows, recipe.seed)


class TurnFacts(TypedDict):
    rows: int
    turns: int
    """Assistant turns of all rows."""
    asked: int
    most_a_row: int
    seed: int
    statement: str


def turn_facts(turns: Turns, seed: int) -> TurnFacts:
    """The key `turns` of evaluation.json."""
    rows, asked = len(set(turns.owner)), len(turns.rows)
    statement = f"{count(rows, 'test row')} with {turns.all_turns:,} assistant turns, "
    statement += "each given the true turns before it"
    if asked < turns.all_turns:
        statement += f"; {asked:,} of them asked, at most {turns.most} a row: "
        statement += "the last one, and others drawn by the seed"

    return {
        "rows": rows,
        "turns": turns.all_turns,
        "asked": asked,
        "most_a_row": turns.most,
        "seed": seed,
        "statement": f"{statement}. A row's score is the mean over its turns.",
    }


def _says_something(row: Row, place: int) -> bool:
    """Words, or a tool call."""
    message = row.messages[place]
    return bool(str(message.get("content") or "").strip() or calls_made(message))


def _learned(row: Row, place: int) -> bool:
    weight = row.messages[place].get("weight")
    return weight is None or weight != 0
