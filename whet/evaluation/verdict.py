"""From a paired difference to one of four words, by rules fixed before the run.

better          p < 0.05 and the whole interval lies above the margin (default 0)
worse           p < 0.05 and the whole interval lies below 0
no-difference   the whole interval lies within +-equivalence (default 2 points; for scores outside 0..1 2% of the range
                of all scores seen), on at least 20 rows
undecided       anything else: the test rows cannot tell, and the verdict says how many probably would

"p > 0.05" alone is never called "no difference": absence of evidence is not evidence of absence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

from numpy.typing import ArrayLike

from whet.errors import DataError, count
from whet.evaluation.facts import DifferenceFacts
from whet.stats.paired import paired_difference
from whet.stats.power import ALPHA
from whet.stats.rows_needed import rows_needed
from whet.text.numbers import (
    format_change,
    format_change_range,
    format_p,
    format_reach,
    plain_number,
    round_up_two_digits,
    unit,
)
from whet.text.numbers import points as points
from whet.text.numbers import signed as signed
from whet.types import Difference, Verdict

EQUIVALENCE = 0.02
FEWEST_DISCORDANT = 5
"""Five rows that all go one way give a mid-p of 0.031; four give 0.063."""
FEWEST_ROWS = 20
"""Below this no interval is trusted to prove that nothing changed."""


def compare(
    base: ArrayLike,
    tuned: ArrayLike,
    seed: int = 0,
    clusters: Sequence[object] | None = None,
    margin: float = 0.0,
    over: str = "",
) -> tuple[Difference, Verdict]:
    """The paired difference of two lists of scores and its verdict, with the rows needed where it is undecided."""
    difference = paired_difference(base, tuned, seed, clusters)
    verdict = decide(difference, margin, over=over)
    if verdict.word == "undecided":
        equivalence = EQUIVALENCE * (difference.scale or 1.0)
        needed = rows_needed(base, tuned, equivalence, clusters=clusters)
        verdict = decide(difference, margin, needed=needed, over=over)
    return difference, verdict


def decide(
    difference: Difference,
    margin: float = 0.0,
    equivalence: float = EQUIVALENCE,
    needed: int | None = None,
    over: str = "",
) -> Verdict:
    """The word and the sentence. `margin` is the gain, a share, above which the tune is better; `needed` comes from
    rows_needed; `over` names the opponent, if the sentence should.

    Raises DataError for a negative margin or an equivalence that is not above 0.
    """
    if margin < 0 or equivalence <= 0:
        raise DataError("margin must not be negative and equivalence must be above 0", value=(margin, equivalence))

    numbers = describe(difference, over)
    if over:
        than = f" than {over}"
    else:
        than = ""

    significant = difference.p < ALPHA and difference.discordant >= FEWEST_DISCORDANT
    if significant and difference.low > margin:
        return Verdict("better", f"The tune is better: {numbers}.")
    if significant and difference.high < 0:
        return Verdict("worse", f"The tune is worse{than}: {describe(difference)}.")

    reach = equivalence * (difference.scale or 1.0)
    inside = -reach < difference.low and difference.high < reach
    if inside and difference.rows >= FEWEST_ROWS:
        small = format_reach(equivalence, difference.scale)
        return Verdict(
            "no-difference",
            f"No difference that matters (less than {small} either way): {numbers}.",
        )

    if needed is not None:
        needed = round_up_two_digits(needed)

    return Verdict("undecided", undecided_sentence(difference, margin, numbers, needed, over), needed)


def undecided_sentence(difference: Difference, margin: float, numbers: str, needed: int | None, over: str = "") -> str:
    if difference.discordant == 0:
        if difference.rows == 1:
            where = "the only test row"
        else:
            where = f"all {difference.rows:,} test rows"

        if over:
            why = f"the tune and {over} score the same"
        else:
            why = "base and tune score the same"
        why += f" on {where}"
    elif difference.discordant < FEWEST_DISCORDANT:
        if difference.discordant == 1:
            verb = "differs"
        else:
            verb = "differ"

        why = f"only {difference.discordant} of {count(difference.rows, 'test row')} {verb}, and fewer than five "
        why += "can never decide"
    elif difference.p < ALPHA and difference.low > 0:
        if difference.scale is None:
            least = points(margin)
        else:
            least = plain_number(margin)
        why = f"the gain may be smaller than the margin of {least}"
    else:
        why = "the test rows cannot tell"
        if over:
            why += f" whether the tune is better than {over}"

    if needed:
        end = f" About {needed:,} rows like these would probably decide."
    else:
        end = ""

    return f"Undecided, {why}: {numbers}.{end}"


def describe(difference: Difference, over: str = "") -> str:
    """`+12.4 points over the base (95% interval +5.1 to +18.9, p = 0.0007, McNemar's mid-p) on 200 test rows`."""
    scale = difference.scale
    gain = f"{format_change(difference.estimate, scale)}{unit(scale)}"
    if over:
        gain += f" over {over}"

    range_ = format_change_range(difference.low, difference.high, scale)
    how = f"{format_p(difference.p)}, {difference.test}"
    return f"{gain} (95% interval {range_}, {how}) on {format_rows(difference)}"


def difference_facts(difference: Difference) -> DifferenceFacts:
    """As it is in evaluation.json."""
    return cast(DifferenceFacts, asdict(difference))


def format_rows(difference: Difference) -> str:
    """`200 test rows`; if rows belong together, with their clusters: `200 test rows (41 clusters)`."""
    rows = count(difference.rows, "test row")
    if difference.clusters is None:
        return rows
    return f"{rows} ({count(difference.clusters, 'cluster')})"
