"""A user's suites: files of prompts with answers, asked before and after a tune, each scored by a metric.

A row has any form with an answer that Whet reads. The metric is chosen from the answers, as for test rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from whet.data.held_out_clusters import found_together
from whet.data.prepare import prepared_of
from whet.data.read.source import read_source
from whet.data.rows.convert import every_row
from whet.data.source import Source
from whet.errors import DataError
from whet.evaluation.forgetting import skills
from whet.evaluation.forgetting.measure_kinds import choosing_texts, general_texts
from whet.evaluation.metrics import scoring as metric
from whet.recipe.schema import Columns, Recipe, Sft
from whet.types import Row


@dataclass(frozen=True, slots=True)
class Suite:
    """Rows with answers, and the metric that scores them."""

    name: str
    rows: list[Row]
    metric: str
    reason: str


def read_suite(path: str, group: str | None = None) -> Suite:
    """Rows that belong together are one cluster, as are those of one `group` (`columns.group` of the recipe) where the
    suite has that column. Raises DataError, naming the row, for a file that cannot be asked."""
    first = next(read_source(path)).value
    if isinstance(first, Mapping) and group in first:
        columns = Columns(group=group)
    else:
        columns = Columns()

    rows = []
    for row in every_row(path, Recipe(data=path, method=Sft(), columns=columns)):
        if not row.prompt or not row.reference:
            fix = "give each row a prompt and an answer"
            raise DataError("this row of a suite has no prompt or no answer", where=row.where, fix=fix)

        rows.append(row)

    found_together(rows)
    name, reason = metric.choose(rows)
    return Suite(Path(path).stem, rows, name, reason)


def measured_prompts(recipe: Recipe, source: Source, base_folder: str) -> Iterator[str]:
    """The words that are asked or read after a tune, and must not be learned by it."""
    if not source.plain_text:
        prepared = prepared_of(source)
        asked = [shown.plain for shown in prepared.shown] or prepared.test_rows  # passages would hide the question
        yield from (last_words(row) for row in asked)

    yield from (str(item["messages"][-1]["content"]) for item in skills.load_suite(base_folder))
    yield from general_texts()
    yield from choosing_texts()

    for path in recipe.forgetting.suites:
        yield from (last_words(row) for row in read_suite(path).rows)


def last_words(row: Row) -> str:
    if row.prompt:
        return str(row.prompt[-1].get("content") or "")
    return str(row.text or "")
