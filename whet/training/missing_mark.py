"""Marked answers are learned and measured by the difference of both marks: where one is missing, nothing is trained."""

from __future__ import annotations

from math import ceil

from whet.data.batches.segment_files import marks_by_row
from whet.data.prepare import Prepared
from whet.errors import DataError, are, count
from whet.recipe.schema import Recipe


def refuse_one_mark_learned(recipe: Recipe, source: Prepared) -> None:
    """Raises DataError where all answers to learn from are good, or all are bad."""
    marks = set(marks_by_row(source.train).values())
    if len(marks) < 2:
        word = "good" if True in marks else "bad"
        raise DataError(
            f"every answer to learn from is marked {word}, and kto learns from the difference",
            where=str(recipe.data),
            fix=f"add answers marked {'bad' if word == 'good' else 'good'}; or leave the marks out, for sft "
            f"({columns_without_mark(source)})",
        )


def refuse_one_mark_tested(recipe: Recipe, source: Prepared) -> None:
    """Raises DataError where the test rows are all good or all bad, so that the verdict could say nothing of the
    other."""
    good = [bool(row.desirable) for row in source.test_rows]
    if not good or len(set(good)) == 2:
        return

    rare = "bad" if good[0] else "good"
    marks = list(marks_by_row(source.segments).values())
    few = sum(mark is not good[0] for mark in marks)
    fix = f"bring more answers marked {rare}"

    if recipe.test is not None:
        fix += f", or add some to the test file {recipe.test}"
    elif few > 1:
        fix += f", or set split.test: {ceil(len(marks) / few)} (rows), of which one is then {rare}"

    raise DataError(
        f"no test row is marked {rare}, so the verdict could say nothing of both marks: "
        f"{count(few, 'usable row')} of {len(marks):,} {are(few)} marked so",
        where=str(recipe.data),
        fix=fix,
    )


def columns_without_mark(source: Prepared) -> str:
    """What to write into the recipe so that the marks are not read."""
    columns = source.shape.columns
    roles = {role: name for role, name in columns.items() if role != "label"}
    if "input" in roles:
        return "format: alpaca"
    return "columns: {" + ", ".join(f"{role}: {name}" for role, name in roles.items()) + "}"
