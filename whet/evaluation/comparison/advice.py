"""From the scores of arms to one sentence that says what to do. Pure: no model, no file, no randomness.

1. The best arm is the one with the highest score.
2. An arm is good enough when it is not inferior to the best beyond the margin: the lower end of its paired interval,
   widened for the number of arms that were tried (Bonferroni), stays above -margin. It is ruled out when it is worse
   with a Holm-corrected p below 0.05. Anything else is open.
3. Of the arms that are good enough the cheapest wins: by dollars where both have a price, else by tokens. Within 10% of
   each other two arms cost the same, and the one that takes less to set up wins. An arm that needs training must pay
   for it: it wins over one that needs none only when it costs at most half.
4. Where an open arm would win if it were good enough, the rows cannot tell; the advice says how many rows would
   probably decide, and what to do until then.

Non-inferiority rather than "p > 0.05": Schumi and Wittes 2011, doi:10.1186/1745-6215-12-106.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from whet.errors import count
from whet.evaluation.decision import TRAINING_PAYS
from whet.stats.power import ALPHA
from whet.text.numbers import format_change, plain_number, points, round_up_two_digits, unit
from whet.text.wording import capitalise

SAME_COST = 1.1
"""Costs within 10% of each other are equal: a few tokens decide nothing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An arm as the advice sees it. `tokens` are those of prompt and answer, `cost` dollars a thousand answers."""

    name: str
    label: str
    do: str
    """What to do when it wins, as an imperative."""
    score: float
    low: float
    high: float
    prompt_tokens: float
    tokens: float
    cost: float | None
    trained: bool
    effort: int
    """What it takes to set up, as a rank: 0 for the base as it is."""


@dataclass(frozen=True, slots=True)
class PairedGap:
    """An arm minus the best on the same rows: 95% interval, p after Holm's correction."""

    estimate: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Advice:
    """`arm` is None if the rows cannot tell; `meanwhile` is what to use until then."""

    arm: str | None
    meanwhile: str | None
    sentence: str
    rows_needed: int | None = None
    standing: Mapping[str, str] | None = None
    """Of each arm: best, good enough, ruled out or open."""


def recommend(
    arms: Sequence[Candidate],
    gaps: Mapping[str, PairedGap],
    margin: float,
    rows: int,
    needed: Callable[[str], int | None] = lambda name: None,
    scale: float | None = None,
) -> Advice:
    """`gaps` has every arm but the best, against the best; `needed` how many rows would decide between the two.

    `margin` is a share of `scale`, the range of the scores; None for scores within 0..1.
    """
    top, reach = best_of(arms), margin * (scale or 1.0)
    if scale is None and top.score == 0:
        return Advice(None, None, nothing_works(rows))

    tried = max(1, len(arms) - 1)
    standing = {}
    for arm in arms:
        if arm is top:
            standing[arm.name] = "best"
        else:
            standing[arm.name] = standing_of(gaps[arm.name], reach, tried)

    winner = cheapest([arm for arm in arms if standing[arm.name] in ("best", "good enough")])

    hopeful = cheapest([arm for arm in arms if standing[arm.name] != "ruled out"])
    if standing[hopeful.name] == "open":
        rows_needed = needed(hopeful.name)
        if rows_needed is not None:
            rows_needed = round_up_two_digits(rows_needed)

        sentence = cannot_tell(hopeful, top, winner, gaps[hopeful.name], rows, rows_needed, margin, scale)
        return Advice(None, winner.name, sentence, rows_needed, standing)

    return Advice(winner.name, None, sentence_of(winner, top, arms, margin, scale), None, standing)


def best_of(arms: Sequence[Candidate]) -> Candidate:
    """The highest score; of equal ones the cheapest."""
    highest = max(arm.score for arm in arms)
    return cheapest([arm for arm in arms if arm.score == highest])


def standing_of(gap: PairedGap, margin: float, tried: int) -> str:
    """Rule 2 for one arm of `tried` that are held against the best."""
    if bonferroni_low(gap, tried) > -margin:
        return "good enough"
    if gap.p < ALPHA and gap.estimate < 0:
        return "ruled out"
    return "open"


def bonferroni_low(gap: PairedGap, tried: int) -> float:
    """The lower end of an interval that `tried` such intervals keep together in 95% of cases: its reach, multiplied by
    the ratio of the normal quantiles (Bonferroni)."""
    wider = float(ndtri(1 - ALPHA / 2 / tried) / ndtri(1 - ALPHA / 2))
    return gap.estimate - wider * (gap.estimate - gap.low)


def cheapest(arms: Sequence[Candidate]) -> Candidate:
    """Rule 3: the cheapest of those that need no training, unless a trained one costs at most half."""
    untrained = [arm for arm in arms if not arm.trained]
    trained = [arm for arm in arms if arm.trained]
    if not untrained or not trained:
        return least(arms)
    plain, tuned = least(untrained), least(trained)

    price_plain, price_tuned = prices(plain, tuned)
    if TRAINING_PAYS * price_tuned <= price_plain:
        return tuned
    return plain


def least(arms: Sequence[Candidate]) -> Candidate:
    """The least cost; of about equal ones the least effort."""
    price = {arm.name: arm.tokens for arm in arms}
    if all(arm.cost is not None for arm in arms):
        price = {arm.name: arm.cost or 0.0 for arm in arms}

    bound = SAME_COST * min(price.values())
    cheap = [arm for arm in arms if price[arm.name] <= bound]
    return min(cheap, key=lambda arm: (arm.effort, price[arm.name]))


def prices(one: Candidate, other: Candidate) -> tuple[float, float]:
    """Dollars if both have them, else tokens."""
    if one.cost is not None and other.cost is not None:
        return one.cost, other.cost
    return one.tokens, other.tokens


def sentence_of(
    winner: Candidate, top: Candidate, arms: Sequence[Candidate], margin: float, scale: float | None
) -> str:
    """`few-shot reaches 71% (67 to 75) at 900 prompt tokens; tuned 93% (91 to 95) at 60: fine-tune.`"""
    others = [arm for arm in arms if arm is not winner]
    if not others:
        return f"{capitalise(describe_arm(winner, scale))}: {winner.do}. Nothing was compared with it."
    if winner is not top:
        below = f"is not more than {format_margin(margin, scale)} below the best"
        return (
            f"{capitalise(describe_arm(winner, scale))} {below}, {describe_arm(top, scale, verb='')}, "
            f"and takes less: {winner.do}."
        )

    other_kind = [arm for arm in others if arm.trained != winner.trained]
    rival = best_of(other_kind or others)
    return f"{capitalise(describe_arm(rival, scale))}; {describe_arm(winner, scale, verb='')}: {winner.do}."


def cannot_tell(
    hopeful: Candidate,
    top: Candidate,
    winner: Candidate,
    gap: PairedGap,
    rows: int,
    needed: int | None,
    margin: float,
    scale: float | None,
) -> str:
    estimate, low, high = (format_change(value, scale) for value in (gap.estimate, gap.low, gap.high))
    numbers = f"{estimate}{unit(scale)}, 95% interval {low} to {high}"

    if needed:
        more = f" About {needed:,} rows like these would probably decide."
    else:
        more = ""

    return (
        f"{count(rows, 'test row')} cannot tell whether {describe_arm(hopeful, scale, verb='with')} is within "
        f"{format_margin(margin, scale)} of the best, {describe_arm(top, scale, verb='')} ({numbers}).{more} "
        f"Until then: {winner.do}."
    )


def describe_arm(arm: Candidate, scale: float | None, verb: str = "reaches") -> str:
    """`few-shot reaches 71% (67 to 75) at 900 prompt tokens`, with its cost where it is known."""
    if scale is None:
        score = f"{100 * arm.score:.0f}% ({100 * arm.low:.0f} to {100 * arm.high:.0f})"
    elif math.isfinite(arm.high - arm.low):
        score = f"{plain_number(arm.score)} ({plain_number(arm.low)} to {plain_number(arm.high)})"
    else:  # equal scores outside 0..1 have no interval
        score = plain_number(arm.score)

    if arm.cost is None:
        cost = ""
    else:
        cost = f" and {dollars(arm.cost)} a thousand answers"

    return " ".join(filter(None, [arm.label, verb, f"{score} at {arm.prompt_tokens:,.0f} prompt tokens{cost}"]))


def format_margin(margin: float, scale: float | None) -> str:
    if scale is None:
        return points(margin)
    return plain_number(margin * scale)


def dollars(amount: float) -> str:
    if amount >= 0.01 or amount == 0:
        return f"${amount:,.2f}"
    return f"${amount:.2g}"


def nothing_works(rows: int) -> str:
    return (
        f"No arm answers one of {count(rows, 'test row')} right: look at the answers before choosing anything; "
        "a larger base, another metric or other data is needed."
    )
