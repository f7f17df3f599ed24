"""Several answers to one prompt, ranked, to preference pairs: every answer against every worse one.

    ranked                      a list of answers, best first
    answers + scores (ranks)    a list of answers and one of numbers; higher scores and lower ranks are better
    answers                     a list of objects, each with its answer and its score or rank

The k(k - 1) / 2 pairs of a row (InstructGPT, arXiv 2203.02155, section 3.5) are rows of one group: a question is never
on both sides of the split, and intervals of the verdict know that its pairs belong together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

from whet.data.read.source import Unread, read_row
from whet.data.refused import RowRefused
from whet.data.rows.column_names import RANK, RANKED_TEXT, SCORE
from whet.data.rows.row_format import RowFormat

QUESTION = "the row of this answer"
"""The field of a pair that says which row it came from."""
PAIR = {"chosen": "chosen", "rejected": "rejected"}


def as_pairs(rows: Iterable[Unread], shape: RowFormat) -> Iterator[Unread]:
    """The rows as they are; of rankings, a row for each pair, counted anew. A row that is no ranking stays as it is,
    and `refuse` then says why."""
    if shape.kind != "ranking":
        yield from rows
        return

    index = 0
    for raw in map(read_row, rows):
        found = _usable(raw.value, shape)
        for better, worse, pair in found:
            yield index, f"{raw.where} (answer {better} over {worse})", pair | {QUESTION: raw.where}
            index += 1

        if not found:
            yield index, raw.where, raw.value
            index += 1


def count(value: Mapping[str, Any] | str, shape: RowFormat) -> int:
    """How many rows `as_pairs` makes of this one."""
    if shape.kind == "ranking":
        return max(1, len(_usable(value, shape)))
    return 1


def pair_shape(shape: RowFormat) -> RowFormat:
    """The shape of the pairs of a ranking."""
    rest = {role: name for role, name in shape.columns.items() if role not in ("answers", "scores", "ranks")}
    return RowFormat("preference", rest | PAIR, roles=shape.roles)


def refuse(value: Mapping[str, Any], shape: RowFormat) -> None:
    """Raises RowRefused for a row that `as_pairs` could make no pair of."""
    _pairs(value, shape)


def _usable(value: Mapping[str, Any] | str, shape: RowFormat) -> list[tuple[int, int, dict[str, Any]]]:
    if isinstance(value, str):
        return []
    try:
        return _pairs(value, shape)
    except RowRefused:
        return []


def _pairs(value: Mapping[str, Any], shape: RowFormat) -> list[tuple[int, int, dict[str, Any]]]:
    """(place of the better answer from 1, of the worse one, the pair's row) of all pairs. Raises RowRefused."""
    name = shape.columns["answers"]
    items = value.get(name)
    if not isinstance(items, list) or len(items) < 2:
        raise RowRefused("no-ranking", f"{name!r} must list two answers or more", value=items, fix="remove the row")

    worth = _worth(value, items, shape)
    taken = {name, shape.columns.get("scores"), shape.columns.get("ranks")}
    rest = {key: inner for key, inner in value.items() if key not in taken}
    order = sorted(range(len(items)), key=lambda number: -worth[number])

    pairs = []
    for one, other in combinations(order, 2):
        if worth[one] > worth[other]:
            pairs.append(
                (one + 1, other + 1, rest | {"chosen": _answer(items[one]), "rejected": _answer(items[other])})
            )
    if not pairs:
        raise RowRefused("no-ranking", "all answers are equally good", value=worth, fix="remove the row")
    return pairs


def _worth(value: Mapping[str, Any], items: list[Any], shape: RowFormat) -> list[float]:
    """A number for each answer, higher is better. Raises RowRefused."""
    for role, sign in (("scores", 1), ("ranks", -1)):
        if role in shape.columns:
            return [sign * number for number in _numbers(value.get(shape.columns[role]), shape.columns[role], items)]

    for names, sign in ((SCORE, 1), (RANK, -1)):
        field = next((name for name in names if isinstance(items[0], Mapping) and name in items[0]), None)
        if field:
            found = [item.get(field) if isinstance(item, Mapping) else None for item in items]
            return [sign * number for number in _numbers(found, field, items)]

    return [float(-place) for place in range(len(items))]


def _numbers(found: Any, name: str, items: list[Any]) -> list[float]:
    if not isinstance(found, list) or len(found) != len(items):
        what = f"{name!r} must hold one number for each of the {len(items)} answers"
        raise RowRefused("no-ranking", what, value=found, fix="complete it or remove the row")
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in found):
        raise RowRefused("no-ranking", f"{name!r} must hold numbers", value=found, fix="complete it or remove the row")
    return [float(number) for number in found]


def _answer(item: Any) -> Any:
    """The answer in an object that also says how good it is; anything else is the answer."""
    if not isinstance(item, Mapping) or "role" in item or "from" in item:
        return item
    return next((item[name] for name in RANKED_TEXT if name in item), item)
