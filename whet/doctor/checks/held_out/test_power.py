"""The test rows are too few to show a gain of ten points.

Why: a test that cannot see the gain ends undecided whatever the model learned, and what it does show is likely to be
overstated: many comparisons in the literature could not have found the effects they were made for (Card et al. 2020,
arXiv 2010.06595).

What is measured: the smallest gain that the test rows show in 80% of all runs by McNemar's test (mid-p) at p < 0.05,
where base and tuned differ on 30% of the rows.

Example: 40 test rows show gains of 25 points or more; a model that went from 70% to 85% right would stay undecided.

Fix: hold out more rows (`split: {test: 0.2}`), or write more test rows; the finding says how many show five points.

Sure: of the arithmetic, yes. Scores with parts of a point (ROUGE, rewards) usually need fewer rows. Rows that belong
together (one conversation, one template, nearly the same words) are counted as if they went the same way; where each
goes its own, smaller gains can be shown.
"""

from __future__ import annotations

import math

from whet.doctor.check import Check, CheckContext
from whet.errors import count
from whet.stats.power import effective_size, promised_gain, rows_for_gain
from whet.types import Finding, Row

WANTED, TOLD = 0.05, 0.10
DISCORDANCE, POWER = 0.3, 0.8


class PowerOfTest(Check):
    code = "test-power"

    def __init__(self) -> None:
        self.setting: CheckContext | None = None
        self.test_rows, self.rows = 0, 0

    def begin(self, setting: CheckContext) -> None:
        self.setting = setting

    def see(self, row: Row) -> None:
        if self.setting is not None and row.text is None:  # held-out text counts in blocks
            self.rows += 1
            self.test_rows += self.setting.part_of(row.index) == "test"

    def findings(self) -> list[Finding]:
        if not self.rows:
            return []

        if self.setting:
            sizes = self.setting.test_clusters
        else:
            sizes = ()

        gain = promised_gain(sizes or (1,) * self.test_rows, discordance=DISCORDANCE, power=POWER)
        if gain is not None and gain <= TOLD:
            return []

        if gain:
            shown = f"can show gains of {100 * gain:.0f} points or more"
        else:
            shown = "cannot show a gain of any size"

        wanted = math.ceil(rows_for_gain(WANTED, DISCORDANCE, POWER))
        rows = f"{self.test_rows:,} test row{'s' * (self.test_rows != 1)}"

        if len(sizes) < self.test_rows and sizes:
            rows += f" in {count(len(sizes), 'cluster')} of rows that belong together"
            wanted = math.ceil(wanted * self.test_rows / effective_size(sizes))

        message = f"{rows} {shown} ({100 * POWER:.0f}% power); {100 * WANTED:.0f} points need {wanted:,} rows"
        fix = "hold out more rows (split.test), or bring a test file"
        return [self.finding("warning", message, [], fix)]
