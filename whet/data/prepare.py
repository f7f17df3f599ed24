"""The whole way of supervised data: files -> rows -> rendered rows -> train, validation and test, all accounted for.

The source is read twice, and no row is kept: once to look at all of it, once to render it, on all cores, into flat
files. What the split needs to know stays in memory until it is made; what stays for good is some 60 bytes a row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np

from whet.data import row_cache, workers
from whet.data.batches.segment_files import SegmentFile, Segments, marks_by_row
from whet.data.chunk_rows import Preparer, chunks_of
from whet.data.held_out_clusters import HALF, drawn_together, name_clusters, notes_on_both_sides, on_both_sides
from whet.data.ledger import FATES, CutFacts, Fate, Ledger
from whet.data.render.renderer import Renderer
from whet.data.reread import reread_rows
from whet.data.retrieval.raft import RowWithPassages, lookup_of, with_passages_that_fit
from whet.data.rows.method_fit import refuse_rows_of_other_methods
from whet.data.rows.row_format import RowFormat
from whet.data.source import Source
from whet.data.split.clusters import clusters
from whet.data.split.in_order import split_in_order
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
UNKNOWN = "{}: no passage is named or contains the answer, so the retriever's passages are used."
LEAKED = "(nearly) the same as a row of the test file, or of one group or conversation with it"
LEAKED_LATER = "(nearly) the same as a later row, or of one group or conversation with it (split.in_order)"
NO_THINKING = "No row holds reasoning, so the base's thinking is switched off in its chat template."


class RowFacts(TypedDict):
    """facts.json of the cached rows, beside their columns (whet/data/row_cache.py)."""

    shapes: list[dict[str, Any]]
    """The form of the rows, and that of the test file's where there is one."""
    rows: int
    """In `data`: where the numbers of the test file's rows begin."""
    quiet: bool
    """The base's thinking is switched off."""
    remarks: list[str]
    unknown: int
    """Rows of which it is not known which passage holds the answer."""
    label_forms: list[str]
    apart: list[dict[str, Any]]
    """As in Prepared."""
    ledger: dict[str, Any]


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
    work = _Preparation(recipe, renderer, recipe.max_tokens or context, observer or Silent(), processes)

    if cache is None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            work.fill(Path(folder))
            return work.with_test_passages(_open(Path(folder), recipe, renderer))

    folder = row_cache.folder_of(cache, recipe, renderer, work.limit)
    recover_folder(folder)
    damage = []

    if folder.exists():
        try:
            return work.with_test_passages(_open(folder, recipe, renderer))
        except row_cache.CacheDamaged as error:
            damage.append(f"The cached rows in {folder} are damaged ({error}), so they are made anew.")

    with new_folder(folder) as temporary:
        work.fill(temporary)
        if row_cache.folder_of(cache, recipe, renderer, work.limit) != folder:
            raise DataError("the data changed while it was read", where=str(recipe.data), fix="run it again")

    row_cache.evict(cache, folder)
    prepared = work.with_test_passages(_open(folder, recipe, renderer))
    prepared.notes += damage
    return prepared


class _Preparation:
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
        if recipe.test:
            looks.append(survey(recipe.test, recipe, False, control))
        _refuse_other_form(looks, recipe)

        looks, forms = with_labels_joined(looks, recipe)
        if looks[0].reasoning:
            quiet = None

        rows = SpooledRows(folder)
        usable = [self._read(rows, look, quiet or self.renderer, looks) for look in looks]
        rows.ledger.enforce_budget(recipe.drop_budget)

        if not usable[0]:
            rows.ledger.refuse_rest("no row can be used", str(recipe.data), "bring other data")

        parts = self._split(rows, usable[0])
        rows.drop(parts.left_out, "left-out", "not in the share of rows that split.train_share asks for")
        rows.ledger.enforce_budget(recipe.drop_budget)
        rows.close(parts)

        shapes = [look.shape for look in looks]
        remarks = [remark for look in looks for remark in look.remarks]
        test_rows = list(reread_rows(recipe, shapes, rows.ledger, looks[0].rows, ("test",)))
        facts: RowFacts = {
            "shapes": list(map(asdict, shapes)),
            "rows": looks[0].rows,
            "quiet": quiet is not None,
            "remarks": remarks,
            "unknown": rows.unknown,
            "label_forms": forms,
            "apart": on_both_sides(parts.apart, rows.indices(), rows.ledger),
            "ledger": rows.ledger.words(),
        }
        together = drawn_together(test_rows, parts.cluster, recipe.split.near_duplicates)
        row_cache.seal(folder, rows.columns() | {CLUSTER: together}, test_rows, facts)

    def _split(self, rows: SpooledRows, usable: int) -> Parts:
        """Parts of the usable rows, of which `usable` are no test file's. Raises DataError."""
        recipe = self.recipe
        try:
            if recipe.test:
                return self._own_parts(rows, usable)
            if recipe.split.in_order:
                return self._in_order(rows, np.arange(usable), own_test=False)
            return split(rows.traits, recipe.split, recipe.seed)
        except DataError as error:
            if error.where or not rows.ledger.dropped():
                where = error.where or str(recipe.data)
                raise DataError(error.what, where=where, value=error.value, fix=error.fix) from error

            rows.ledger.refuse_rest(error.what, str(recipe.data), error.fix)

    def _read(self, rows: SpooledRows, look: Survey, renderer: Renderer, looks: list[Survey]) -> int:
        """Renders one source into `rows`; gives the number of its usable rows."""
        before, total = len(rows.traits), sum(each.rows for each in looks)
        if look is looks[0]:
            chunks = chunks_of(self.recipe.data, look.shape, 0)
        else:
            chunks = chunks_of(self.recipe.test or "", look.shape, looks[0].rows)

        prepare_chunk = Preparer(self.recipe, look.shape, renderer, self.limit, self.lookup)
        processes = 1
        if look.rows >= MANY_ROWS:
            processes = workers.cores() if self.processes is None else self.processes

        for chunk, outcome in workers.in_order(prepare_chunk, chunks, processes):
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

        if recipe.split.in_order:
            parts = self._in_order(rows, kept, own_test=True)
        else:
            parts = split(traits, recipe.split, recipe.seed, kept, own_test=True)
        cluster = clusters(traits, test[answered], recipe.split.near_duplicates, large=HALF)
        return Parts(parts.train, parts.validation, test[answered], parts.left_out, cluster)

    def _in_order(self, rows: SpooledRows, chosen: np.ndarray, *, own_test: bool) -> Parts:
        """Parts of rows that stand in the order of time; rows like those behind a cut are dropped before it."""
        found = split_in_order(rows.traits, self.recipe.split, chosen, own_test=own_test)
        rows.drop(found.unanswered, "no-reference", "does not end in an answer to compare with")
        rows.drop(found.leaked, "duplicate-of-test", LEAKED_LATER)
        return found.parts


def read_rows(recipe: Recipe, prepared: Prepared, fates: tuple[Fate, ...]) -> Iterator[Row]:
    """The rows of some fates but the test, read from the data again, in the order of the input. Raises DataError when
    the data is not what was read before."""
    return reread_rows(recipe, [prepared.shape], prepared.ledger, 0, fates)


def _open(folder: Path, recipe: Recipe, renderer: Renderer) -> Prepared:
    """What `_Preparation` wrote. Raises CacheDamaged, or DataError for more dropped rows than the recipe allows."""
    columns, test_rows, stored = row_cache.unseal(folder)
    facts = cast(RowFacts, stored)
    of_rows = {name.removeprefix("ledger."): column for name, column in columns.items() if name.startswith("ledger.")}
    ledger = Ledger.restored(of_rows, facts["ledger"])
    ledger.enforce_budget(recipe.drop_budget)

    shapes = [_shape(stored) for stored in facts["shapes"]]
    for shape in shapes:
        refuse_rows_of_other_methods(shape, recipe)

    file = SegmentFile(folder, columns)
    fate_S = ledger.columns()["fate"][file.row_S]

    def part(fate: Fate) -> Segments:
        return Segments(file, np.flatnonzero(fate_S == FATES.index(fate)).astype(np.int32))

    quiet = None
    if facts["quiet"]:
        quiet = renderer.without_thinking()
    if test_rows is None:
        test_rows = list(reread_rows(recipe, shapes, ledger, facts["rows"], ("test",)))
    name_clusters(test_rows, columns[CLUSTER])
    summary = ledger.summary()

    return Prepared(
        segments=Segments(file, np.arange(len(file.row_S), dtype=np.int32)),
        train=part("trained"),
        validation=part("validation"),
        test=part("test"),
        test_rows=test_rows,
        ledger=ledger,
        shape=shapes[0],
        renderer=quiet or renderer,
        tokens=summary["tokens"],
        supervised_tokens=summary["supervised_tokens"],
        longest=int(file.length_S[fate_S != FATES.index("dropped")].max()),
        targets=_targets(recipe, shapes, ledger, facts["rows"]),
        notes=_notes(facts, shapes[0], quiet is not None, summary["truncated"]),
        apart=facts["apart"],
    )


def _notes(facts: RowFacts, form: RowFormat, quiet: bool, cut: CutFacts) -> list[str]:
    """What was decided about the data, in sentences. `cut`: rows and tokens that `too_long: truncate` cost."""
    notes = [*facts["remarks"]]
    if quiet:
        notes.append(NO_THINKING)
    if facts["unknown"]:
        notes.append(UNKNOWN.format(count(facts["unknown"], "row")))

    if cut["rows"]:
        rows, tokens = count(cut["rows"], "row"), count(cut["tokens"], "token")
        what = f"{tokens} at their ends are left out, and a cut answer has no stop"
        notes.append(f"too_long: truncate cut {rows} short: {what}.")
    return [*notes, *notes_on_both_sides(facts["apart"]), *form.notes, *facts["label_forms"]]


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
    usable = reread_rows(recipe, shapes, ledger, rows, ("trained", "validation", "test"))
    return {row.index: row.target for row in usable if row.target is not None}


def _shape(stored: dict[str, Any]) -> RowFormat:
    facts: dict[str, Any] = stored | {name: tuple(stored[name]) for name in ("unused", "notes")}
    return RowFormat(**facts)
