"""Old rows and new ones as one file to learn from and one to be tested on, with where each new row came from.

The old test rows stay test rows, and no new row near to one is learned. Of the new rows a part is held out that no
version has learned or was told of: whole conversations and near-duplicates, the newest where times are known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from whet.data.rows.convert import every_row
from whet.data.split.clusters import clusters
from whet.data.split.parts import leaks
from whet.data.split.row_traits import Traits
from whet.errors import InputError, ProofError
from whet.evaluation.verdict import FEWEST_ROWS
from whet.monitoring.feedback_rows import NEAR_TEST, near
from whet.monitoring.memory.shown import LONGEST_SHOWN
from whet.recipe.schema import Recipe
from whet.retraining.changes import Known, NewRow, hash_of
from whet.retraining.row_forms import LineForm, answer_of, line_of, question_of, recipe_for
from whet.store.atomic import make_folder, write_text
from whet.text.normalise import one_line
from whet.types import Row

FRESH_SHARE = 1 / 3
"""Of the new rows, what is held out: the default tenth of the few that come between two tunes would tell nothing."""
OVERRULED = "a newer row answers the same otherwise"


@dataclass(slots=True)
class Merged:
    recipe: Recipe
    form: LineForm
    learned: list[Row] = field(default_factory=list)
    """Old rows that are learned again."""
    new: list[NewRow] = field(default_factory=list)
    """New rows to learn."""
    tests: list[Row] = field(default_factory=list)
    fresh: list[NewRow] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    contradicted: list[dict[str, str]] = field(default_factory=list)

    @property
    def fresh_hashes(self) -> set[str]:
        return {hash_of(one.row) for one in self.fresh}

    @property
    def too_small(self) -> bool:
        """The fresh part alone cannot prove that nothing changed (whet/evaluation/verdict.py)."""
        return len(self.fresh) < FEWEST_ROWS

    def facts(self) -> dict[str, Any]:
        return {
            "file": str(self.recipe.data),
            "test_file": self.recipe.test,
            "old": len(self.learned),
            "new": len(self.new),
            "old_test": len(self.tests),
            "fresh_test": len(self.fresh),
            "fresh_too_small": self.too_small,
            "left_out": self.left_out,
            "contradicted": self.contradicted,
        }


def merge(known: Known, requested: Recipe, folder: Path, name: str) -> Merged:
    """`requested` is the recipe as it was asked for. Writes nothing yet: `write` does. The files will be NAME.jsonl and
    NAME-test.jsonl in `folder`."""
    places = (str(folder / f"{name}.jsonl"), str(folder / f"{name}-test.jsonl"))
    merged = Merged(recipe_for(requested, *places, known.form), known.form)
    merged.tests, merged.left_out = list(known.tests), list(known.left_out)
    usable = _apart_from_tests(known, merged)
    usable = _newest_answers(usable, merged)
    merged.learned = _without_contradicted(known.learned, usable, merged)

    fresh = _fresh_places(usable, known, requested)
    merged.fresh = [one for place, one in enumerate(usable) if place in fresh]
    merged.new = [one for place, one in enumerate(usable) if place not in fresh]
    return merged


def _apart_from_tests(known: Known, merged: Merged) -> list[NewRow]:
    tests = [row.messages for row in known.tests]
    too_near = near([one.row.messages for one in known.new], tests)
    merged.left_out += [{"from": known.new[place].named, "why": NEAR_TEST} for place in sorted(too_near)]
    return [one for place, one in enumerate(known.new) if place not in too_near]


def _newest_answers(new: Sequence[NewRow], merged: Merged) -> list[NewRow]:
    """Of new rows that ask the same and answer otherwise, the newest; the last one where times are not known."""
    order = sorted(range(len(new)), key=lambda place: (new[place].at, place))
    last = {question_of(new[place].row): place for place in order}
    kept = []
    for one in new:
        other = new[last[question_of(one.row)]]
        if answer_of(one.row) == answer_of(other.row):
            kept.append(one)
        else:
            merged.left_out.append({"from": one.named, "why": OVERRULED})
            merged.contradicted.append(_contradiction(one.row, one.named, other))
    return kept


def _without_contradicted(learned: Sequence[Row], new: Sequence[NewRow], merged: Merged) -> list[Row]:
    """The old rows that no new one contradicts. A question that the old rows answer in several ways is none that has
    one right answer, and is left alone."""
    answers: dict[str, set[str]] = {}
    for row in learned:
        answers.setdefault(question_of(row), set()).add(answer_of(row))

    newest = {question_of(one.row): one for one in new}
    kept = []
    for row in learned:
        question = question_of(row)
        other = newest.get(question)
        if other is None or len(answers[question]) > 1 or answer_of(other.row) in answers[question]:
            kept.append(row)
        else:
            merged.contradicted.append(_contradiction(row, row.where, other))
    return kept


def _contradiction(row: Row, named: str, newer: NewRow) -> dict[str, str]:
    return {
        "asked": one_line(question_of(row))[:LONGEST_SHOWN],
        "old": named,
        "old_answer": one_line(row.reference)[:LONGEST_SHOWN],
        "new": newer.named,
        "new_answer": one_line(newer.row.reference)[:LONGEST_SHOWN],
    }


def _fresh_places(new: Sequence[NewRow], known: Known, recipe: Recipe) -> set[int]:
    """Places of the new rows that are held out: whole clusters, and none with a row that an old one belongs together
    with, because the live version has learned that."""
    wanted = min(recipe.split.max_test, round(FRESH_SHARE * len(new)))
    if not wanted:
        return set()
    rows, near_duplicates = [one.row for one in new], recipe.split.near_duplicates
    traits = Traits.of([*known.learned, *rows])
    old_R, new_R = np.arange(len(known.learned)), np.arange(len(known.learned), len(traits))
    root_N = clusters(traits, new_R, near_duplicates, own_test=True)
    familiar = leaks(traits, new_R, old_R, near_duplicates) - len(old_R) if len(old_R) else np.zeros(0, dtype=np.int64)
    shut = set(root_N[familiar].tolist())

    members: dict[int, list[int]] = {}
    for place, root in enumerate(root_N.tolist()):
        if root not in shut:
            members.setdefault(root, []).append(place)

    taken: set[int] = set()
    for together in _in_order(list(members.values()), new):
        if len(taken) + len(together) <= wanted:
            taken.update(together)
    return taken


def _in_order(members: list[list[int]], new: Sequence[NewRow]) -> list[list[int]]:
    """The newest first where all times are known; else in an order that the content alone decides."""
    if all(one.at for one in new):
        newest = sorted(members, key=lambda together: min(hash_of(new[place].row) for place in together))
        return sorted(newest, key=lambda together: max(new[place].at for place in together), reverse=True)
    return sorted(members, key=lambda together: min(hash_of(new[place].row) for place in together))


def write(merged: Merged) -> None:
    """The two files. Raises ProofError unless they read back to the same rows, InputError where no row is left to test
    on or to learn."""
    if not merged.tests and not merged.fresh:
        fix = "restore the data that the live version was measured on"
        raise InputError("no test row is left, so nothing could be compared", where=str(merged.recipe.data), fix=fix)
    make_folder(Path(str(merged.recipe.data)).parent)
    none: Mapping[str, Any] = {}
    to_learn = [*((row, none) for row in merged.learned), *((one.row, one.came_from) for one in merged.new)]
    to_test = [*((row, none) for row in merged.tests), *((one.row, one.came_from) for one in merged.fresh)]
    for path, rows in ((str(merged.recipe.data), to_learn), (str(merged.recipe.test), to_test)):
        usual = merged.recipe.system
        lines = [json.dumps(line_of(row, merged.form, came_from, usual), ensure_ascii=True) for row, came_from in rows]
        write_text(Path(path), "".join(f"{line}\n" for line in lines))
        prove_same(path, [row for row, _ in rows], merged.recipe)


def prove_same(path: str, rows: Sequence[Row], recipe: Recipe) -> None:
    """The rows of a file that was written must be the rows that they were: a test row that reads otherwise would be
    another one. Raises ProofError."""
    for before, after in zip(rows, every_row(path, recipe.model_copy(update={"test": None})), strict=True):
        if hash_of(before) != hash_of(after):
            what = f"the row {before.where} reads otherwise once it is merged"
            raise ProofError(what, where=after.where, fix="please report this, with the row")
