"""What is new since a model was tuned: rows of its files by its ledger, and rows that came from elsewhere."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from whet.data.read.source import read_source
from whet.data.rows.row_format import RowFormat
from whet.data.split.row_traits import content_hash
from whet.recipe.schema import Recipe
from whet.retraining.row_forms import LineForm, conformed, form_of, plain, read_values
from whet.store.identity import data_hash
from whet.store.reading import iter_lines
from whet.store.run import Run
from whet.types import Row

HASH = 16
"""Digits of a row's hash in a ledger."""
OTHER_FORM = "it cannot be a row like the old ones"
KNOWN = "the model knows it already"


class ChangedRows(TypedDict):
    """Rows of the model's data files, against its ledger."""

    added: int
    changed: int
    """Other than they were at the same place."""
    removed: int


@dataclass(frozen=True, slots=True)
class NewRow:
    row: Row
    came_from: Mapping[str, Any]
    """`trace` or `where` (file and line), and `at`, where that is known."""

    @property
    def at(self) -> str:
        """When it came, as text that can be sorted; empty where that is not known."""
        return str(self.came_from.get("at") or "")

    @property
    def named(self) -> str:
        return str(self.came_from.get("trace") or self.came_from.get("where"))


@dataclass(slots=True)
class Known:
    """The rows of a run as its files hold them now, and what is new."""

    form: LineForm
    shape: RowFormat
    learned: list[Row] = field(default_factory=list)
    """Trained on, or validated on."""
    trained: set[str] = field(default_factory=set)
    """Hashes of those that were trained on."""
    tests: list[Row] = field(default_factory=list)
    new: list[NewRow] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    changed: ChangedRows = field(default_factory=lambda: {"added": 0, "changed": 0, "removed": 0})

    def bring(self, rows: Iterable[tuple[Row, Mapping[str, Any]]], recipe: Recipe) -> int:
        """Takes rows from elsewhere in, each with where it came from; gives how many of them are new."""
        before = len(self.new)
        seen = {hash_of(row) for row in (*self.learned, *self.tests)}
        seen |= {hash_of(one.row) for one in self.new}
        for row, came_from in rows:
            fitting = conformed(row, self.form, recipe)
            named = str(came_from.get("trace") or came_from.get("where"))
            if fitting is None:
                self.left_out.append({"from": named, "why": OTHER_FORM})
            elif (digest := hash_of(fitting)) in seen:
                self.left_out.append({"from": named, "why": KNOWN})
            else:
                seen.add(digest)
                self.new.append(NewRow(fitting, came_from))
        return len(self.new) - before


def hash_of(row: Row) -> str:
    return content_hash(row)[:HASH]


def known_rows(run: Run, rows: Sequence[Row], shape: RowFormat) -> Known:
    """`rows` are those of its files now. Of a row that the ledger has, the fate stays what it was; all others are
    new, if the files are others by now."""
    known = Known(form_of(shape), shape)
    fates = fates_of(run)
    known.trained = {digest for digest, line in fates.items() if line["fate"] == "trained"}
    for row in rows:
        line = fates.get(hash_of(row))
        if line is not None:
            (known.tests if line["fate"] == "test" else known.learned).append(row)

    _compare(known, run, rows, fates)
    return known


def fates_of(run: Run) -> dict[str, dict[str, Any]]:
    """The lines of a run's ledger by their hashes, without those that were dropped, which have none."""
    return {line["hash"]: line for line in iter_lines(run.folder / "rows.jsonl") if line["fate"] != "dropped"}


def follow_first(known: Known, first: Run, rows: Sequence[Row], between: Sequence[Run], own: Sequence[Row]) -> None:
    """Of a version that was retrained: what changed in the files of the `first` version, which people go on to write
    into. What any version `between` has in its ledger, and what the live version's `own` files hold, is not new."""
    fates = fates_of(first)
    met = {hash_of(row) for row in own}.union(*(fates_of(run) for run in between))
    gone = _compare(known, first, [row for row in rows if hash_of(row) not in met or hash_of(row) in fates], fates)
    known.learned = [row for row in known.learned if hash_of(row) not in gone]
    known.tests = [row for row in known.tests if hash_of(row) not in gone]


def _compare(known: Known, run: Run, rows: Sequence[Row], fates: Mapping[str, dict[str, Any]]) -> set[str]:
    """Rows that are not in the ledger are new; gives the hashes of those that are gone. Where the files are as they
    were, strangers are rows that the run dropped, and nothing is new about them."""
    if data_hash(run.recipe) == run.read_json("run.json").get("data_sha256"):
        return set()
    here = {hash_of(row) for row in rows}
    strangers = [row for row in rows if hash_of(row) not in fates]
    places = {row.where for row in strangers}
    gone = {digest: line for digest, line in fates.items() if digest not in here}

    changed = sum(line["where"] in places for line in gone.values())
    new = known.bring([(row, {"where": row.where}) for row in strangers], run.recipe)
    before = known.changed
    known.changed = {
        "added": before["added"] + max(0, new - changed),
        "changed": before["changed"] + changed,
        "removed": before["removed"] + len(gone) - changed,
    }
    return set(gone)


def rows_of_file(path: Path | str, recipe: Recipe, old: RowFormat) -> list[tuple[Row, dict[str, Any]]]:
    """New rows of a file, with where they came from: the trace that they name, or file and line. Raises DataError."""
    values = [(raw.where, raw.value) for raw in read_source(str(path))]
    columns = [name for name in recipe.columns.model_dump(exclude={"roles"}).values() if name]
    first = values[0][1]
    if not isinstance(first, Mapping) or any(name not in first for name in columns):
        recipe = plain(recipe)
    else:
        recipe = recipe.model_copy(update={"test": None})

    found = []
    for (row, value), (where, _) in zip(read_values(values, recipe, old), values, strict=True):
        came_from: dict[str, Any] = {key: str(value[key]) for key in ("trace", "at") if value.get(key)}
        found.append((row, came_from if "trace" in came_from else came_from | {"where": where}))
    return found


def rows_of_feedback(
    values: Sequence[dict[str, Any]], recipe: Recipe, old: RowFormat, conversations: Mapping[str, str | None]
) -> list[tuple[Row, dict[str, Any]]]:
    """What people said, as whet/monitoring/feedback_rows.py makes rows of it; one conversation is one group."""
    if not values:
        return []
    found = []
    named = [(f"trace {value['trace']}", value) for value in values]
    for (row, value), said in zip(read_values(list(named), plain(recipe), old), values, strict=True):
        row.group = conversations.get(said["trace"])
        found.append((row, {"trace": value["trace"]} | ({"at": value["at"]} if value.get("at") else {})))
    return found


def other_files(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes learn from files of other names."""
    return _names(one) != _names(other)


def _names(recipe: Recipe) -> list[str]:
    names = [recipe.data] if isinstance(recipe.data, str) else recipe.data
    return [os.path.abspath(name) for name in names]


def why_left_out(left_out: Iterable[Mapping[str, str]]) -> dict[str, int]:
    return dict(Counter(one["why"] for one in left_out))


def digest_text(known: Known) -> str:
    """What decides what will be merged, as one text: the same for the same rows."""
    new = sorted((hash_of(one.row), json.dumps(dict(one.came_from), sort_keys=True)) for one in known.new)
    return json.dumps([sorted(map(hash_of, known.learned)), sorted(map(hash_of, known.tests)), new])
