"""The whole way of supervised data: files -> rows -> rendered rows -> train, validation and test, all accounted for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from whet.data.clusters import content_hash
from whet.data.convert import to_row
from whet.data.coverage import REASONING, strings_in
from whet.data.ledger import Fate, Ledger
from whet.data.refuse import RowRefused
from whet.data.shape import Shape, detect
from whet.data.source import RawRow, read_source
from whet.data.split import Parts, leaks, split
from whet.data.template import Rendered, Renderer
from whet.errors import DataError
from whet.recipe.schema import Recipe
from whet.types import Row, Segment

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(slots=True)
class Prepared:
    """Everything that training and evaluation need to know about the data.

    `rows` are the usable rows; `parts` are positions in `rows`; a segment's `row` is the row's index in the input.
    """

    rows: list[Row]
    parts: Parts
    train: list[Segment]
    validation: list[Segment]
    test: list[Segment]
    test_rows: list[Row]
    ledger: Ledger
    shape: Shape
    renderer: Renderer
    tokens: int = 0
    supervised_tokens: int = 0
    longest: int = 0
    """Tokens of the longest row of all parts."""
    rendered: list[Rendered] = field(default_factory=list)
    """Beside `rows`."""
    notes: list[str] = field(default_factory=list)
    """What was decided about the data, in sentences for people."""


def prepare(
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    renderer: Renderer | None = None,
    run_cache: Path | None = None,
    *,
    context: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Read, convert, render and split the recipe's data. `context` is the longest row that the base can see.

    `run_cache` is not needed for rows (they are rendered faster than a cache could be checked); pre-training uses it.
    Raises DataError: nothing usable, too many dropped rows, too few rows to hold out.
    """
    renderer = renderer or Renderer(tokenizer)
    raws = list(read_source(recipe.data))
    own = list(read_source(recipe.test)) if recipe.test else []
    for raw in own:
        raw.index += len(raws)
    shape = _shape_of(raws, recipe)
    quiet = None if _has_reasoning(raws) else renderer.without_thinking()
    work = _Work(recipe, quiet or renderer, recipe.max_tokens or context)
    if quiet:
        work.notes.append("No row holds reasoning, so the base's thinking is switched off in its chat template.")
    work.read(raws, shape, progress, len(raws) + len(own))
    usable = len(work.rows)
    if own:
        work.read(own, _shape_of(own, recipe), progress, len(raws) + len(own))
    work.ledger.enforce_budget(recipe.drop_budget)
    if not usable:
        raise DataError("no row can be used: all were dropped", where=str(recipe.data), fix="bring other data")
    try:
        parts = _own_parts(recipe, work, usable) if own else split(work.rows, recipe.split, recipe.seed)
    except DataError as error:
        raise DataError(error.what, where=error.where or str(recipe.data), value=error.value, fix=error.fix) from error
    work.ledger.enforce_budget(recipe.drop_budget)
    return _assemble(work, parts, shape)


def _shape_of(raws: list[RawRow], recipe: Recipe) -> Shape:
    return detect([raw.value for raw in raws], recipe, [raw.where for raw in raws])


class _Work:
    """Rows on their way: what is usable so far, and the ledger."""

    def __init__(self, recipe: Recipe, renderer: Renderer, limit: int | None) -> None:
        self.recipe, self.renderer, self.limit = recipe, renderer, limit
        self.ledger = Ledger()
        self.rows: list[Row] = []
        self.rendered: list[Rendered] = []
        self.notes: list[str] = []

    def read(self, raws: list[RawRow], shape: Shape, progress: Callable[[int, int], None] | None, total: int) -> None:
        for raw in raws:
            self.ledger.open(raw.index, raw.where)
            try:
                row = to_row(raw, shape, self.recipe)
                rendered = self._fit(self.renderer.render(row), raw)
            except RowRefused as refusal:
                self.ledger.drop(raw.index, refusal.code, str(refusal))
            else:
                self.rows.append(row)
                self.rendered.append(rendered)
            if progress:
                progress(len(self.ledger.entries), total)

    def _fit(self, rendered: Rendered, raw: RawRow) -> Rendered:
        if self.limit is None or len(rendered.ids) <= self.limit:
            return rendered
        cut = Rendered(rendered.ids[: self.limit], rendered.weights[: self.limit], rendered.text, rendered.spans)
        if self.recipe.too_long == "truncate" and cut.supervised:
            return cut
        what = f"{len(rendered.ids)} tokens, but the longest row may have {self.limit}"
        fix = "shorten the rows, raise max_tokens if the base allows it, or set too_long: truncate"
        if self.recipe.too_long == "truncate":
            what, fix = f"{what}, and what is to be learned begins after them", "shorten the prompts"
        raise RowRefused("too-long", what, where=raw.where, fix=fix)


def _own_parts(recipe: Recipe, work: _Work, usable: int) -> Parts:
    """Parts with the user's own test file: its rows are the test, and training rows like them are dropped."""
    train, test = work.rows[:usable], work.rows[usable:]
    unscored = {usable + number for number, row in enumerate(test) if not row.reference.strip()}
    for position in unscored:
        row = work.rows[position]
        work.ledger.drop(row.index, "no-reference", f"{row.where}: does not end in an answer to compare with")
    if len(unscored) == len(test):
        raise DataError("no row of the test file can be used", where=str(recipe.test), fix="check its columns")
    leaked = set(leaks(train, test, recipe.split.near_duplicates))
    for position in leaked:
        row = train[position]
        work.ledger.drop(row.index, "duplicate-of-test", f"{row.where}: (nearly) the same as a row of the test file")
    kept = [position for position in range(usable) if position not in leaked]
    if not kept:
        raise DataError(
            f"all {usable} rows are (nearly) the same as a row of the test file {recipe.test}, so none may be learned",
            fix="give a test file of other rows, or leave `test` out: a part of the data is then held out",
        )
    inner = split([train[position] for position in kept], recipe.split, recipe.seed, own_test=True)
    return Parts(
        train=[kept[position] for position in inner.train],
        validation=[kept[position] for position in inner.validation],
        test=[position for position in range(usable, len(work.rows)) if position not in unscored],
    )


def _assemble(work: _Work, parts: Parts, shape: Shape) -> Prepared:
    def segments(positions: list[int], fate: Fate) -> list[Segment]:
        made = []
        for position in positions:
            row, rendered = work.rows[position], work.rendered[position]
            segment = Segment(ids=rendered.ids, weights=rendered.weights, row=row.index)
            tokens, supervised, digest = len(segment.ids), segment.supervised, content_hash(row)[:16]
            work.ledger.close(row.index, fate, tokens=tokens, supervised=supervised, hash=digest)
            made.append(segment)
        return made

    train = segments(parts.train, "trained")
    validation = segments(parts.validation, "validation")
    test = segments(parts.test, "test")
    work.ledger.check()
    summary = work.ledger.summary()
    return Prepared(
        rows=work.rows,
        parts=parts,
        train=train,
        validation=validation,
        test=test,
        test_rows=[work.rows[position] for position in parts.test],
        ledger=work.ledger,
        shape=shape,
        renderer=work.renderer,
        tokens=summary["tokens"],
        supervised_tokens=summary["supervised_tokens"],
        longest=max(len(segment.ids) for segment in (*train, *validation, *test)),
        rendered=work.rendered,
        notes=work.notes,
    )


def _has_reasoning(raws: list[RawRow]) -> bool:
    """True when any row holds a thought, between tags or in a field of its own (field names are strings too)."""
    return any("<think>" in text or text in REASONING for raw in raws for text in strings_in(raw.value))
