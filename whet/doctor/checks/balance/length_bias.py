"""One side of the pairs is nearly always the longer one, so that length alone tells the answers apart.

Why: a model then learns the length before anything else, because it is the easiest thing to learn; answers get longer
and longer (or shorter and shorter), and the preference accuracy looks good all the while. Much of what reward models
and DPO seem to gain on public sets is length (Singhal et al. 2023, arXiv 2310.03716; Park et al. 2024, arXiv
2403.19159).

What is measured: the share of pairs whose chosen answer is the longer one in characters (pairs of equal length left
out), with its 95% Wilson interval and the p of the exact sign test against one half. It is told from an interval that
lies above 60% (or below 40%) on, and is a warning from 75% (25%) on.

Example:
    {"prompt": "Capital of France?", "chosen": "The capital of France is Paris, a city of two million people.",
     "rejected": "Lyon."}

Fix: add pairs in which the shorter answer is the better one, or leave out pairs that differ much in length;
`method.loss: sigmoid-norm` or `simpo` weigh by tokens. Where length is what you want to teach, nothing is wrong.

Sure: of the statistic, yes; whether the length is the reason why an answer was chosen, no.
"""

from __future__ import annotations

from statistics import median

from scipy import special

from whet.doctor.analysis.pair_answers import chosen_words, rejected_words
from whet.doctor.check import Check
from whet.stats.paired import wilson
from whet.text.numbers import format_p
from whet.types import Finding, Row, Severity

TOLD, WARNED = 0.60, 0.75


class LengthBias(Check):
    code = "length-bias"

    def __init__(self) -> None:
        self.longer: list[int] = []
        self.shorter: list[int] = []
        self.lengths: tuple[list[int], list[int]] = ([], [])

    def see(self, row: Row) -> None:
        if row.rejected is None:
            return
        chosen, rejected = len(chosen_words(row)), len(rejected_words(row))
        self.lengths[0].append(chosen)
        self.lengths[1].append(rejected)
        if chosen != rejected:
            (self.longer if chosen > rejected else self.shorter).append(row.index)

    def findings(self) -> list[Finding]:
        count = len(self.longer) + len(self.shorter)
        rows, word = max((self.longer, "longer"), (self.shorter, "shorter"), key=lambda side: len(side[0]))

        low, high = wilson(len(rows), count)
        if low <= TOLD:
            return []

        severity: Severity = "warning" if low >= WARNED else "info"
        middle = " against ".join(f"{median(lengths):g}" for lengths in self.lengths)
        message = (
            f"the chosen answer is the {word} one in {100 * len(rows) / count:.0f}% of {count:,} pairs (95% interval "
            f"{100 * low:.0f}% to {100 * high:.0f}%, sign test {format_p(sign_test(len(rows), count))}), by median "
            f"{middle} characters: length alone tells them apart"
        )
        fix = f"add pairs whose chosen answer is not the {word} one, or set method.loss: sigmoid-norm or simpo"

        return [self.finding(severity, message, rows, fix)]


def sign_test(hits: int, count: int) -> float:
    """Two-sided exact p of `hits` of `count` under one half."""
    return float(min(1.0, 2 * special.bdtr(min(hits, count - hits), count, 0.5)))
