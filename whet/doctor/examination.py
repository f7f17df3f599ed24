"""All checks over a whole source in one pass: what needs no other row is done by workers, and no row is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from whet.data import workers
from whet.data.read.source import Unread, read_row, unread_source
from whet.data.refused import RowRefused
from whet.data.render.encoding import Encoder
from whet.data.rows.convert import to_row
from whet.data.rows.rankings import as_pairs
from whet.data.rows.row_format import RowFormat
from whet.data.survey import survey
from whet.doctor.check import Check, CheckContext, RowCheck, gravest_first
from whet.recipe.schema import Recipe
from whet.types import Finding, Row

CHUNK_ROWS = 256
MANY_ROWS = 2000
"""Fewer rows are looked at sooner than workers are started."""
Found = list[tuple[int, Any]]
"""(number of the check, what it noted) of one row."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a worker says of one row."""

    index: int
    where: str
    row: Row | None
    """Where a check asks for it, and the row can be used."""
    refusal: tuple[str, str] | None
    """Code and words."""
    found: Found


@dataclass(frozen=True, slots=True)
class RowWorker:
    """Unread rows to what the checks of single rows say of them."""

    recipe: Recipe
    shape: RowFormat
    checks: list[RowCheck]
    whole: bool
    """Whether the rows themselves are asked for."""

    def __call__(self, chunk: list[Unread]) -> list[Observation]:
        return [self._seen(unread) for unread in chunk]

    def _seen(self, unread: Unread) -> Observation:
        raw = read_row(unread)
        try:
            row = to_row(raw, self.shape, self.recipe)
        except RowRefused as refusal:
            return Observation(raw.index, raw.where, None, (refusal.code, refusal.what), [])

        found = []
        for number, check in enumerate(self.checks):
            words = check.inspect(row)
            if words is not None:
                found.append((number, words))

        shown = row if self.whole else None
        return Observation(raw.index, raw.where, shown, None, found)


def examine_source(
    recipe: Recipe,
    shape: RowFormat,
    checks: Iterable[Check],
    setting: CheckContext | None = None,
    progress: Callable[[int], None] | None = None,
    processes: int | None = None,
) -> list[Finding]:
    """The findings of all checks over the recipe's data, then its test file where it has one, whose indices go on.

    `progress` is told the rows that are done; `processes` (all cores, unless given) changes nothing but the time.
    Raises DataError for data that cannot be read.
    """
    checks = list(checks)
    by_row = [check for check in checks if isinstance(check, RowCheck)]
    others = [check for check in checks if not isinstance(check, RowCheck)]

    if setting:
        for check in checks:
            check.begin(setting)

    done = 0
    if processes is None:
        processes = workers.cores()
    for data, form in _sources(recipe, shape, setting):
        looker = RowWorker(recipe, form, by_row, bool(others))
        for seen in _observations(looker, data, done, processes):
            _replay(seen, checks, by_row, others)
            done += 1

            if progress and done % CHUNK_ROWS == 0:
                progress(done)

    return gravest_first(checks)


def _sources(
    recipe: Recipe, shape: RowFormat, setting: CheckContext | None
) -> Iterator[tuple[str | list[str], RowFormat]]:
    yield recipe.data, shape
    if recipe.test:
        if setting:
            control = Encoder(setting.tokenizer).special
        else:
            control = frozenset[str]()
        yield recipe.test, replace(survey(recipe.test, recipe, False, control).shape, joined=shape.joined)


def _observations(looker: RowWorker, data: str | list[str], offset: int, processes: int) -> Iterator[Observation]:
    rows = as_pairs(unread_source(data), looker.shape)
    moved = ((index + offset, where, value) for index, where, value in rows)
    first = list(islice(moved, MANY_ROWS))
    if len(first) < MANY_ROWS:
        processes = 1
    for _, seen in workers.in_order(looker, _chunks(first, moved), processes):
        yield from seen


def _chunks(first: list[Unread], rest: Iterator[Unread]) -> Iterator[list[Unread]]:
    for start in range(0, len(first), CHUNK_ROWS):
        yield first[start : start + CHUNK_ROWS]
    while chunk := list(islice(rest, CHUNK_ROWS)):
        yield chunk


def _replay(seen: Observation, checks: list[Check], by_row: list[RowCheck], others: list[Check]) -> None:
    if seen.refusal is not None:
        refusal = RowRefused(*seen.refusal, where=seen.where)
        for check in checks:
            check.see_refused(seen.index, refusal)
        return

    for number, words in seen.found:
        by_row[number].record(seen.index, seen.where, words)

    for check in others:
        assert seen.row is not None
        check.see(seen.row)
