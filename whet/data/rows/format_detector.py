"""The one form that all rows have: the first row gives it, and every later row may speak against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from whet.data.rows.column_names import CONTEXTS, MARKS
from whet.data.rows.judgements import Judged
from whet.data.rows.method_fit import refuse_rows_of_other_methods
from whet.data.rows.roles import Roles
from whet.data.rows.row_format import (
    RowFormat,
    columns_of_any_form,
    format_of_row,
    is_mark,
    lower_case_names,
    named_columns,
    unpaired_format,
)
from whet.data.rows.templated_rows import Nested
from whet.errors import DataError
from whet.recipe.schema import Recipe


def detect(values: Iterable[Mapping[str, Any] | str], recipe: Recipe, places: Iterable[str] = ()) -> RowFormat:
    """The form of all rows: the recipe's `format` and `columns` where given, else found from the columns.

    `places` says where each row is. Raises DataError when no form fits, when it could mean two things, or when a
    later row has another form (naming the first such row, counted from 1).
    """
    detector = None
    for value, place in zip_longest(values, places, fillvalue=""):
        detector = detector or Detector(value, recipe, place)
        detector.add(value, place)

    if detector is None:
        raise DataError("there are no rows", fix="point at a file with one example a line")
    return detector.settle()


class Detector:
    """`detect`, row by row: the first row gives the form, and every row is to be added, the first one too."""

    def __init__(
        self, first: Mapping[str, Any] | str, recipe: Recipe, place: str = "", control: frozenset[str] = frozenset()
    ) -> None:
        """`control` are the base's control tokens, where it is known. Raises DataError when no form fits the first
        row."""
        try:
            self._form = format_of_row(first, recipe)
        except DataError as error:
            raise DataError(error.what, where=place, value=error.value, fix=error.fix) from error

        self._recipe, self._added = recipe, 0
        self._misfit: DataError | None = None
        self._nested = Nested(self._form, recipe, control)
        self._roles = Roles(recipe.columns.roles)
        self._judged = Judged((*self._form.columns.values(), *columns_of_any_form(recipe)))
        self._chosen = recipe.format != "auto" or bool(named_columns(recipe))

        self._names: dict[str, str] = {}
        if isinstance(first, Mapping):
            self._names = lower_case_names(first)

        self._marks: list[str] = []
        self._left_out: dict[str, DataError | None] = {}
        if not self._chosen and not recipe.method.rows.as_text:
            self._watch_unused()

    def _watch_unused(self) -> None:
        """Columns that nobody chose to leave out: some may mark answers, some may belong to the question."""
        for name in self._form.unused:
            usual = name.strip().lower()
            if usual in MARKS:
                self._marks.append(name)
            if self._form.kind == "text" or usual in CONTEXTS:
                self._left_out[name] = None

    @property
    def first(self) -> RowFormat:
        """The form of the first row."""
        return self._form

    def add(self, value: Mapping[str, Any] | str, place: str = "") -> None:
        """What speaks against the form is kept for `settle`."""
        self._added += 1
        self._judged.see(value)
        self._nested.see(value, place)
        self._roles.see(value, self._form.columns)

        for name, error in self._left_out.items():
            if error is None and isinstance(value, Mapping) and value.get(name):
                self._left_out[name] = _left_out(self._form, name, self._added, place)

        if self._misfit is None and (self._has_mark(value) or not self._form.fits(value)):
            self._misfit = self._other_form(value, place)

    def _has_mark(self, value: Mapping[str, Any] | str) -> bool:
        return isinstance(value, Mapping) and any(is_mark(value.get(name)) for name in self._marks)

    def _other_form(self, value: Mapping[str, Any] | str, place: str) -> DataError | None:
        """The error for a row of another form; None for one that only lacks a column."""
        try:
            form = format_of_row(value, self._recipe)
        except DataError:
            return None

        if form.kind == self._form.kind:
            return None
        shown = sorted(value) if isinstance(value, Mapping) else value
        return DataError(
            f"row {self._added} has another form than the first row: {form.kind} instead of {self._form.kind}",
            where=place,
            value=shown,
            fix="keep one form in a file; give two files two runs, or convert one of them",
        )

    def settle(self) -> RowFormat:
        """The form, now that all rows are added. Raises DataError when one of them speaks against it."""
        for error in (*self._left_out.values(), self._misfit):
            if error is not None:
                raise error

        form = self._nested.settle(self._with_marks())
        form = replace(form, roles=self._roles.known, notes=(*form.notes, *self._roles.notes()))
        refuse_rows_of_other_methods(form, self._recipe)
        return form

    def _with_marks(self) -> RowFormat:
        """The form, now that all rows are added: rows with a column that marks each answer are marked answers."""
        form, needs = self._form, self._recipe.method.rows
        if not needs.answered:  # the answers in the file are not learned
            return form

        mark = None
        if not self._chosen:
            mark = self._judged.mark(form.kind, needs.only_marks)

        marked = None
        if mark:
            marked = unpaired_format(mark, self._names)
        if marked:
            columns = marked.columns.values()
            form = replace(marked, unused=tuple(name for name in form.unused if name not in columns))

        return replace(form, notes=tuple(self._judged.told(form.kind, mark)))


def _left_out(form: RowFormat, name: str, number: int, place: str) -> DataError:
    """A column that a question may depend on must not be left out without the user's word."""
    mapping = ", ".join(f"{role}: {column}" for role, column in form.columns.items() if role != "input")
    return DataError(
        f"the columns look like {form.kind}, but {name!r}, filled in row {number}, would not be used",
        where=place,
        fix=f"join it into another column; or, to leave it out, set columns: {{{mapping}}}",
    )
