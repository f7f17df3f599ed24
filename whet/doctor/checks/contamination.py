"""Rows to be learned share runs of words with the test rows, or with a benchmark that the model will be measured on.

Why: what was learned by heart is then measured as skill. Between 1% and 90% of the rows of common benchmarks stood in
the training text of GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix C, whose rule is used here).

What is measured: runs of 8 to 13 words (the 5th percentile of the test rows' length), without case and punctuation. A
run that more than ten rows have is a common phrase and does not count. A shorter test row counts where a row holds all
of it. Benchmarks are named with `whet check DATA --against FILE`; the recipe's test file, and the rows held out, are
always compared. Where rows share 80% or more of the words of a row of your own test file, that is an
error; otherwise it is a warning.

Example: `whet check train.jsonl --against gsm8k_test.jsonl`, and train.jsonl holds a question of it in other clothes.

Fix: remove the rows (`--fix` removes those that cover a test row to 80%), or leave those test rows out of the score.

Sure: of the words, yes. A shared quotation, a template or a passage that several questions ask about is shared too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from whet.data.rankings import as_pairs
from whet.data.source import read_row, unread_source
from whet.doctor.benchmark import benchmark_texts, texts_in
from whet.doctor.check import Check, Setting
from whet.doctor.glance import glance
from whet.doctor.overlap import Overlap, Overlaps
from whet.types import Finding, Row, Severity

Kind = Literal["benchmark", "test file", "test part"]
COVERED = 0.8
"""Share of a test row's words from which it is known as a whole."""


class Contamination(Check):
    code = "contamination"

    def __init__(self) -> None:
        self.setting: Setting | None = None
        self.sources: list[tuple[str, Kind, Overlaps]] = []

    def begin(self, setting: Setting) -> None:
        self.setting = setting
        named: list[tuple[str, Kind, list[str]]] = [
            (Path(path).name, "benchmark", benchmark_texts(path)) for path in setting.against
        ]
        if setting.recipe.test:
            named.append((Path(setting.recipe.test).name, "test file", benchmark_texts(setting.recipe.test)))
        else:
            named.append(("the test part", "test part", list(_held_out(setting))))
        self.sources = [(name, kind, Overlaps(texts)) for name, kind, texts in named if texts]

    def see(self, row: Row) -> None:
        if self.sources and self.setting is not None and self.setting.part_of(row.index) == "trained":
            said = glance(row)
            hash_W = np.concatenate([said.prompt_W, said.answer_W])
            for _, _, overlaps in self.sources:
                overlaps.see(row.index, hash_W)

    def findings(self) -> list[Finding]:
        found = []
        for name, kind, overlaps in self.sources:
            whole, part = _sorted(overlaps.found())
            texts = len(overlaps.lengths)
            if whole:
                message = (
                    f"{len(whole):,} of {texts:,} rows of {name} stand in rows to be learned, to 80% of their words"
                )
                found.append(self._finding("error" if kind == "test file" else "warning", message, whole))
            if part:
                message = (
                    f"{len(part):,} of {texts:,} rows of {name} share {overlaps.size} words in a row with rows to be "
                    "learned"
                )
                found.append(self._finding("info" if kind == "test part" else "warning", message, part))
        return found

    def drops(self) -> list[int]:
        return sorted(
            {row for _, _, overlaps in self.sources for one in _sorted(overlaps.found())[0] for row in one.rows}
        )

    def _finding(self, severity: Severity, message: str, overlaps: list[Overlap]) -> Finding:
        rows = sorted({row for overlap in overlaps for row in overlap.rows})
        example = f" (test row {overlaps[0].text + 1} in row {overlaps[0].rows[0] + 1})"
        return self.finding(severity, message + example, rows, "remove these rows, or leave those test rows out")


def _sorted(overlaps: list[Overlap]) -> tuple[list[Overlap], list[Overlap]]:
    """Those that rows hold nearly as a whole, and the others."""
    return [one for one in overlaps if one.covered >= COVERED], [one for one in overlaps if one.covered < COVERED]


def _held_out(setting: Setting) -> Iterator[str]:
    """The rows that the split holds out for the test; other lines are not even parsed."""
    rows = unread_source(setting.recipe.data)
    for unread in as_pairs(rows, setting.shape) if setting.shape else rows:
        if setting.part_of(unread[0]) == "test":
            yield "\n".join(texts_in(read_row(unread).value))
