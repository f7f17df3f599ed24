"""The whole way of supervised data: files -> rows -> rendered rows -> train, validation and test, all accounted for.

The source is read twice, and no row is kept: once to look at all of it, once to render it, on all cores, into flat
files. What the split needs to know stays in memory until it is made; what stays for good is some 60 bytes a row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whet.data import row_cache as rowcache
from whet.data import workers
from whet.data.batches.segment_files import SegmentFile, Segments, marks_by_row
from whet.data.chunk_rows import Preparer, chunks_of
from whet.data.held_out_clusters import HALF, drawn_together, name_clusters, on_both_sides, told
from whet.data.ledger import FATES, Fate, Ledger
from whet.data.render.renderer import Renderer
from whet.data.reread import reread_rows
from whet.data.retrieval.raft import RowWithPassages, lookup_of, with_passages_that_fit
from whet.data.rows.method_fit import refuse_rows_of_other_methods
from whet.data.rows.row_format import RowFormat
from whet.data.source import Source
from whet.data.split.clusters import clusters
from whet.data.split.parts import Parts, leaks, split
from whet.data.spooled_rows import SpooledRows
from whet.data.survey import Survey, survey, with_labels_joined
from whet.errors import DataError, count
from whet.observer import Observer, Silent
from whet.recipe.schema import Kind, Recipe
from whet.store.atomic import new_folder, recover_folder
from whet.types import Row, Segment

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Target = float | list[str]
CLUSTER = "test.cluster"
MANY_ROWS = 4000
"""Fewer rows are rendered sooner than workers are started."""
UNKNOWN = "{} without a passage that is named or holds the answer word for word: learned with what the retriever finds"
LEAKED = "(nearly) the same as a row of the test file, or of one group or conversation with it"
NO_THINKING = "No row holds reasoning, so the base's thinking is switched off in its chat template."


@dataclass(slots=True)
class Prepared:
    """Everything that training and evaluation need to know about the data. A segment's `row` is the row's index in
    the input. The parts are lazy: a segment is read from disk when it is asked for."""

    segments: Segments
    """Of all rows that can be rendered, in the order of the input."""
    train: Segments
    validation: Segments
    test: Sequence[Segment]
    test_rows: list[Row]
    ledger: Ledger
    shape: RowFormat
    renderer: Renderer
    tokens: int = 0
    supervised_tokens: int = 0
    longest: int = 0
    """Tokens of the longest segment of all parts."""
    targets: dict[int, Target] = field(default_factory=dict)
    """For methods with a head: what it is to learn of each usable row, by the row's index; only rows that say it."""
    notes: list[str] = field(default_factory=list)
    """What was decided about the data, in sentences for people."""
    shown: list[RowWithPassages] = field(default_factory=list)
    """With retrieval: each test row with what the retriever finds for it; `test_rows` are these rows."""
    apart: list[dict[str, Any]] = field(default_factory=list)
    """Prompts and frames that are on both sides of the split, because so many rows share them: kind, rows, where."""

    @property
    def plain_text(self) -> bool:
        return False

    @property
    def kind(self) -> Kind:
        return self.shape.kind

    @property
    def rows(self) -> int:
        """Rows that are trained on."""
        return int(self.ledger.summary()["trained"])

    @property
    def desirable(self) -> int:
        """Answers to learn that are marked good."""
        return sum(marks_by_row(self.train).values())


def prepared_of(source: Source) -> Prepared:
    """The rows of any method but pretrain, which learns from plain text."""
    assert isinstance(source, Prepared)
    return source


def prepare(
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    renderer: Renderer | None = None,
    cache: Path | None = None,
    *,
    context: int | None = None,
    observer: Observer | None = None,
    processes: int | None = None,
) -> Prepared:
    """Read, convert, render and split the recipe's data, or find it in `cache`. `context` is the longest row that the
    base can see; `processes` (all cores, unless given) changes nothing but the time it takes.

    Raises DataError: nothing usable, too many dropped rows, too few rows to hold out.
    """
    renderer = renderer or Renderer(tokenizer)
    work = _Work(recipe, renderer, recipe.max_tokens or context, observer or Silent(), processes)

    if cache is None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            work.fill(Path(folder))
            return work.with_test_passages(_opened(Path(folder), recipe, renderer))

    folder = rowcache.folder_of(cache, recipe, renderer, work.limit)
    recover_folder(folder)
    damage = []

    if folder.exists():
        try:
            return work.with_test_passages(_opened(folder, recipe, renderer))
        except rowcache.CacheDamaged as error:
            damage.append(f"The cached rows in {folder} are damaged ({error}), so they are made anew.")

    with new_folder(folder) as temporary:
        work.fill(temporary)
        if rowcache.folder_of(cache, recipe, renderer, work.limit) != folder:
            raise DataError("the data changed while it was read", where=str(recipe.data), fix="run it again")

    rowcache.evict(cache, folder)
    prepared = work.with_test_passages(_opened(folder, recipe, renderer))
    prepared.notes += damage
    return prepared


class _Work:
    """Fills a folder with the prepared rows of a recipe."""

    def __init__(
        self, recipe: Recipe, renderer: Renderer, limit: int | None, observer: Observer, processes: int | None
    ) -> None:
        self.recipe, self.renderer, self.limit = recipe, renderer, limit
        self.observer, self.processes = observer, processes
        self.lookup = lookup_of(recipe)

    def with_test_passages(self, prepared: Prepared) -> Prepared:
        """With the passages that the retriever finds in the test rows: they are not learned, so each gets what it would
        get in use."""
        if self.lookup:
            rows, renderer = prepared.test_rows, prepared.renderer
            prepared.shown, prepared.test = with_passages_that_fit(self.lookup, rows, renderer, self.limit)
            prepared.test_rows = [shown.row for shown in prepared.shown]
        return prepared

    def fill(self, folder: Path) -> None:
        """Reads everything, makes the split, writes it all down. Raises DataError."""
        recipe = self.recipe
        quiet = self.renderer.without_thinking()
        control = self.renderer.control_tokens
        looks = [survey(recipe.data, recipe, quiet is not None, control)]
        looks += [survey(recipe.test, recipe, False, control)] if recipe.test else []
        _refuse_other_form(looks, recipe)

        looks, forms = with_labels_joined(looks, recipe)
        if looks[0].reasoning:
            quiet = None

        rows = SpooledRows(folder)
        usable = [self._read(rows, look, quiet or self.renderer, looks) for look in looks]
        rows.ledger.enforce_budget(recipe.drop_budget)

        if not usable[0]:
            rows.ledger.refuse_rest("no row can be used", str(recipe.data), "bring other data")

        try:
            if recipe.test:
                parts = self._own_parts(rows, usable[0])
            else:
                parts = split(rows.traits, recipe.split, recipe.seed)
        except DataError as error:
            if error.where or not rows.ledger.dropped():
                where = error.where or str(recipe.data)
                raise DataError(error.what, where=where, value=error.value, fix=error.fix) from error

            rows.ledger.refuse_rest(error.what, str(recipe.data), error.fix)

        rows.drop(parts.left_out, "left-out", "not in the share of rows that split.train_share asks for")
        rows.ledger.enforce_budget(recipe.drop_budget)
        rows.close(parts)
        shapes = [look.shape for look in looks]
        test_rows = list(reread_rows(recipe, shapes, rows.ledger, looks[0].rows, ("test",)))
        facts = {
            "shapes": [asdict(shape) for shape in shapes],
            "rows": looks[0].rows,
            "quiet": quiet is not None,
            "remarks": [words for look in looks for words in look.remarks],
            "unknown": rows.unknown,
            "label_forms": forms,
            "apart": on_both_sides(parts.apart, rows.indices(), rows.ledger),
            "ledger": rows.ledger.words(),
        }
        together = drawn_together(test_rows, parts.cluster, recipe.split.near_duplicates)
        rowcache.seal(folder, rows.columns() | {CLUSTER: together}, test_rows, facts)

    def _read(self, rows: SpooledRows, look: Survey, renderer: Renderer, looks: list[Survey]) -> int:
        """Renders one source into `rows`; gives the number of its usable rows."""
        own, before = look is not looks[0], len(rows.traits)
        if own:
            data = self.recipe.test or ""
        else:
            data = self.recipe.data

        prepare_chunk = Preparer(self.recipe, look.shape, renderer, self.limit, self.lookup)
        if self.processes is None:
            processes = workers.cores()
        else:
            processes = self.processes

        total = sum(each.rows for each in looks)
        chunks = chunks_of(data, look.shape, looks[0].rows if own else 0)
        for chunk, outcome in workers.in_order(prepare_chunk, chunks, processes if look.rows >= MANY_ROWS else 1):
            for index, where, _ in chunk:
                rows.ledger.open(index, where)
            for index, reason, message in outcome.refused:
                rows.ledger.drop(index, reason, message)

            for index, tokens in outcome.cut.items():
                rows.ledger.note_cut(index, tokens)
            rows.traits.add(outcome.traits)
            rows.writer.add(outcome.packed)
            rows.unknown += outcome.unknown

            self.observer.step(len(rows.ledger), total, {})

        return len(rows.traits) - before

    def _own_parts(self, rows: SpooledRows, usable: int) -> Parts:
        """Parts with the user's own test file: its rows are the test, and training rows like them are dropped."""
        recipe, traits = self.recipe, rows.traits
        train, test = np.arange(usable), np.arange(usable, len(traits))
        answered = traits.column("answered")[test]
        rows.drop(test[~answered], "no-reference", "does not end in an answer to compare with")

        if not answered.any():
            rows.ledger.refuse_rest("no row of the test file can be used", str(recipe.test), "check its columns")
        leaked = leaks(traits, train, test, recipe.split.near_duplicates)
        rows.drop(leaked, "duplicate-of-test", LEAKED)

        kept = np.setdiff1d(train, leaked)
        if not len(kept):
            raise DataError(
                f"all {usable} rows leak into the test file {recipe.test}, so none may be learned: each is {LEAKED}",
                fix="give a test file of other rows, or leave `test` out: a part of the data is then held out",
            )

        parts = split(traits, recipe.split, recipe.seed, kept, own_test=True)
        cluster = clusters(traits, test[answered], recipe.split.near_duplicates, large=HALF)
        return Parts(parts.train, parts.validation, test[answered], parts.left_out, cluster)


def read_rows(recipe: Recipe, prepared: Prepared, fates: tuple[Fate, ...]) -> Iterator[Row]:
    """The rows of some fates but the test, read from the data again, in the order of the input. Raises DataError when
    the data is not what was read before."""
    return reread_rows(recipe, [prepared.shape], prepared.ledger, 0, fates)


def _opened(folder: Path, recipe: Recipe, renderer: Renderer) -> Prepared:
    """What `_Work.fill` wrote. Raises rowcache.Damaged, or DataError for more dropped rows than the recipe allows."""
    columns, test_rows, facts = rowcache.unseal(folder)
    ledger = Ledger.restored(
        {name.removeprefix("ledger."): column for name, column in columns.items() if name.startswith("ledger.")},
        facts["ledger"],
    )
    ledger.enforce_budget(recipe.drop_budget)

    shapes = [_shape(stored) for stored in facts["shapes"]]
    for shape in shapes:
        refuse_rows_of_other_methods(shape, recipe)

    file = SegmentFile(folder, columns)
    fate_S = ledger.columns()["fate"][file.row_S]
    train, validation, test = (
        Segments(file, np.flatnonzero(fate_S == FATES.index(fate)).astype(np.int32))
        for fate in ("trained", "validation", "test")
    )

    if facts["quiet"]:
        quiet = renderer.without_thinking()
    else:
        quiet = None

    if test_rows is None:
        test_rows = list(reread_rows(recipe, shapes, ledger, facts["rows"], ("test",)))
    name_clusters(test_rows, columns[CLUSTER])
    summary = ledger.summary()

    return Prepared(
        segments=Segments(file, np.arange(len(file.row_S), dtype=np.int32)),
        train=train,
        validation=validation,
        test=test,
        test_rows=test_rows,
        ledger=ledger,
        shape=shapes[0],
        renderer=quiet or renderer,
        tokens=summary["tokens"],
        supervised_tokens=summary["supervised_tokens"],
        longest=int(file.length_S[fate_S != FATES.index("dropped")].max()),
        targets=_targets(recipe, shapes, ledger, facts["rows"]),
        notes=[
            *facts["remarks"],
            *[NO_THINKING] * bool(quiet),
            *[UNKNOWN.format(count(facts["unknown"], "row"))] * bool(facts["unknown"]),
            *_told_cut(summary["truncated"]),
            *told(facts["apart"]),
            *shapes[0].notes,
            *facts["label_forms"],
        ],
        apart=facts["apart"],
    )


def _told_cut(cut: dict[str, int]) -> list[str]:
    """What `too_long: truncate` cost, in a sentence."""
    if not cut["rows"]:
        return []
    rows, tokens = count(cut["rows"], "row"), count(cut["tokens"], "token")
    return [f"too_long: truncate cut {rows} short: {tokens} at their ends are left out, and a cut answer has no stop."]


def _refuse_other_form(looks: list[Survey], recipe: Recipe) -> None:
    """A test file of pairs or marks beside rows of another kind, or the other way round, measures something else."""
    forms = [(look.shape.kind == "unpaired", look.shape.paired) for look in looks]
    if len(set(forms)) > 1:
        raise DataError(
            f"the rows of the test file are {looks[1].shape.kind}, those to learn from {looks[0].shape.kind}",
            where=str(recipe.test),
            value=looks[1].shape.describe(),
            fix="give a test file with the same columns and marks",
        )


def _targets(recipe: Recipe, shapes: list[RowFormat], ledger: Ledger, rows: int) -> dict[int, Target]:
    if recipe.method.target is None and not recipe.method.rows.margin:
        return {}
    found = reread_rows(recipe, shapes, ledger, rows, ("trained", "validation", "test"))
    return {row.index: row.target for row in found if row.target is not None}


def _shape(stored: dict[str, Any]) -> RowFormat:
    facts: dict[str, Any] = stored | {name: tuple(stored[name]) for name in ("unused", "notes")}
    return RowFormat(**facts)
