"""Rows far longer than the others, or too long for the base.

Why: a row too long for the base is dropped or cut, and a cut answer teaches to stop in the middle (Ding et al. 2024,
arXiv 2404.10830, on what truncation costs); the longest row of a batch decides how much memory it takes, for all. Rows
much longer than all others are mostly several documents that were joined, or a log that was pasted in.

What is measured: characters. Told are rows longer than the third quartile times the third power of the ratio of the
quartiles (Tukey's outer fence on logarithms), and at least four times the median and 2,000 characters.

Example:
    {"prompt": "Why does it fail?", "completion": "(80 pages of log)"}

Fix: shorten or split them, or raise max_tokens where the base allows it. `too_long: truncate` cuts them.

Sure: yes; whether the length is a fault, only you can tell.
"""

from __future__ import annotations

from array import array

import numpy as np

from whet.doctor.check import CheckContext, RowCheck
from whet.doctor.text_checks import count_phrase, texts_of
from whet.types import Finding, Row

SHORT = 2000
"""Characters that are never too many."""
TIMES_MEDIAN = 4
FEW = 20
"""With fewer rows there is no distribution to lie outside of."""


class LongRows(RowCheck):
    code = "long-rows"

    def __init__(self) -> None:
        self.lengths, self.indices = array("q"), array("q")
        self.too_long: list[int] = []
        self.setting: CheckContext | None = None

    def begin(self, setting: CheckContext) -> None:
        self.setting = setting

    def inspect(self, row: Row) -> int:
        return sum(map(len, texts_of(row)))

    def record(self, index: int, where: str, found: int) -> None:
        self.lengths.append(found)
        self.indices.append(index)
        if self.setting and self.setting.reason_of(index) == "too-long":
            self.too_long.append(index)

    def findings(self) -> list[Finding]:
        found = []
        if self.too_long and self.setting:
            says = f"is|are longer than the {self.setting.context:,} tokens that a row may have"
            fix = "shorten or split them, set too_long: truncate, or raise max_tokens if the base allows it"
            message = f"{count_phrase(len(self.too_long), says)}; dropped"
            found.append(self.finding("warning", message, self.too_long, fix))

        far = self._far()
        if far:
            longest, middle = max(self.lengths), int(np.median(self.lengths))
            says = f"is|are far longer than the others (up to {longest:,} characters; the median is {middle:,})"
            fix = "look whether they are what you meant; shorten or split them"
            found.append(self.finding("info", count_phrase(len(far), says), far, fix))

        return found

    def _far(self) -> list[int]:
        lengths = np.asarray(self.lengths)
        if len(lengths) < FEW:
            return []
        low, middle, high = np.quantile(np.maximum(lengths, 1), (0.25, 0.5, 0.75))
        fence = max(high * (high / low) ** 3, TIMES_MEDIAN * middle, SHORT)
        return np.asarray(self.indices)[lengths > fence].tolist()
