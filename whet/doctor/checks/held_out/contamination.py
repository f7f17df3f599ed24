"""Rows to be learned hold texts of the test rows, or of a benchmark that the model will be measured on.

Why: what was learned by heart is then measured as skill. Between 1% and 90% of the rows of common benchmarks stood in
the training text of GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix C).

What is measured: as there, runs of 8 to 13 words (the 5th percentile of the texts' length), without case and
punctuation; a run that more than ten rows have is a common phrase and does not count. A shorter text counts where a row
holds all of it. A test row is contaminated where 80% of the words of its question, its answer or another of its longer
texts stand in such runs of one row (as in Touvron et al. 2023, Llama 2, arXiv 2307.09288, A.6).
Benchmarks are named with `whet check DATA --against FILE`; the recipe's test file, or the rows held out, are always
compared. For your own test file it is an error. `whet tune` compares, too: it gives its verdict once more without the
test rows concerned, and says yes to no model whose gain rests on them.

Example: `whet check train.jsonl --against gsm8k_test.jsonl`, and train.jsonl holds a question of it in other clothes.

Fix: remove the rows (`--fix` removes those that hold 80% of a text), or leave those test rows out of the score.

Sure: of the words, yes. A shared quotation, or a passage that several questions ask about, is shared too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from whet.data.read.source import RawRow, read_row, read_source, unread_source
from whet.data.rows.rankings import as_pairs
from whet.doctor.analysis.benchmark_texts import texts_of
from whet.doctor.analysis.overlap import Overlaps
from whet.doctor.analysis.row_texts import row_texts
from whet.doctor.check import CheckContext, LeakCheck
from whet.types import Finding, Row, Severity

Kind = Literal["benchmark", "test file", "test part"]
COVERED = 0.8
"""Share of a text's words from which a row holds it."""


class Contamination(LeakCheck):
    code = "contamination"

    def __init__(self) -> None:
        self.setting: CheckContext | None = None
        self.sources: list[_Source] = []
        self.tests: dict[str, list[int]] = {}
        """Place and indices of the test rows."""

    def begin(self, setting: CheckContext) -> None:
        self.setting = setting
        named: list[tuple[str, Kind, Iterator[RawRow]]] = []
        for path in setting.against:
            named.append((Path(path).name, "benchmark", read_source(path)))

        if setting.recipe.test:
            named.append((Path(setting.recipe.test).name, "test file", read_source(setting.recipe.test)))
        else:
            named.append(("the test part", "test part", _held_out(setting)))

        self.sources = [_Source.of(name, kind, values) for name, kind, values in named]

    def see(self, row: Row) -> None:
        if self.setting is not None:
            part = self.setting.part_of(row.index)
        else:
            part = ""

        if part == "test":
            self.tests.setdefault(row.where, []).append(row.index)

        if part == "trained":
            said = row_texts(row)
            hash_W = np.concatenate([said.prompt_W, said.answer_W])
            for source in self.sources:
                source.overlaps.add(row.index, hash_W)

    def findings(self) -> list[Finding]:
        findings = []
        for source in self.sources:
            tests = source.known()
            if tests:
                findings.append(self._finding(source, tests))
        return findings

    def drops(self) -> list[int]:
        holders: set[int] = set()
        for source in self.sources:
            holders = holders.union(*source.known().values())
        return sorted(holders)

    def leaked_test_rows(self) -> set[int]:
        leaked: set[int] = set()
        for source in self.sources:
            if source.kind != "benchmark":
                for row in source.known():
                    leaked.update(self.tests.get(source.where[row], ()))
        return leaked

    def _finding(self, source: _Source, tests: dict[int, set[int]]) -> Finding:
        assert self.setting is not None
        first = min(tests)
        have = "has" if len(tests) == 1 else "have"
        message = (
            f"{len(tests):,} of {source.rows:,} rows of {source.name} {have} a text of which a row to be learned holds "
            f"{100 * COVERED:.0f}%, in runs of {source.overlaps.size} words (the first: {source.where[first]}, held by "
            f"{self.setting.where_of(min(tests[first]))})"
        )
        rows = sorted(set().union(*tests.values()))
        severity: Severity = "error" if source.kind == "test file" else "warning"

        return self.finding(severity, message, rows, "remove these rows, or leave those test rows out of the score")


@dataclass(frozen=True, slots=True)
class _Source:
    """Test rows of one kind; each has one text or more."""

    name: str
    kind: Kind
    where: list[str]
    """The place of each row."""
    row_of: list[int]
    """Of each text."""
    overlaps: Overlaps

    @staticmethod
    def of(name: str, kind: Kind, values: Iterator[RawRow]) -> _Source:
        where: list[str] = []
        row_of: list[int] = []
        texts: list[str] = []
        for row, raw in enumerate(values):
            own = texts_of(raw.value)
            where.append(raw.where)
            row_of += [row] * len(own)
            texts += own
        return _Source(name, kind, where, row_of, Overlaps(texts))

    @property
    def rows(self) -> int:
        return len(self.where)

    def known(self) -> dict[int, set[int]]:
        """Test rows with a text that rows hold, and those rows."""
        found: dict[int, set[int]] = {}
        for overlap in self.overlaps.found():
            if overlap.covered >= COVERED:
                found.setdefault(self.row_of[overlap.text], set()).add(overlap.row)
        return found


def _held_out(setting: CheckContext) -> Iterator[RawRow]:
    """The rows that the split holds out for the test; other lines are not even parsed."""
    rows = unread_source(setting.recipe.data)
    if setting.shape:
        rows = as_pairs(rows, setting.shape)

    for unread in rows:
        if setting.part_of(unread[0]) == "test":
            yield read_row(unread)
