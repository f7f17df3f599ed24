"""From the scores of all candidates to one recommendation. Pure: no model, no file, no randomness but the seed's.

1. An option is worth it only if it is proved better than the best constant answer (paired on the same validation rows,
   p below 0.05 after Holm's correction over all options). Without one, none is worth it.
2. The best of these is the one with the highest score. Another is good enough if its score is at most the margin below
   and it is not proved worse; the reason says so where the rows cannot prove more.
3. Of those that are good enough the cheapest wins, by the rule of whet compare (whet/evaluation/comparison/advice.py):
   a tune must cost at most half of what needs none. Costs are dollars where all have them, else parameters times
   tokens, which is about what a machine computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whet.evaluation.comparison.advice import Candidate, best_of, cheapest, dollars
from whet.selection.choice_facts import AskedName, WayName
from whet.stats.multiple_tests import holm
from whet.stats.paired import mean_interval, paired_difference
from whet.stats.power import ALPHA
from whet.text.numbers import format_change, format_change_range, points
from whet.text.wording import capitalise, percent


@dataclass(frozen=True, slots=True)
class Option:
    """One way of one candidate."""

    base: str
    way: WayName
    asked: AskedName | None
    label: str
    values: Sequence[float]
    prompt_tokens: float
    tokens: float
    parameters: int
    """0 of a server, whose size nobody tells."""
    usd: float | None
    """Dollars a thousand answers."""
    effort: int
    run: str | None = None

    @property
    def score(self) -> float:
        return sum(self.values) / len(self.values)


@dataclass(frozen=True, slots=True)
class Recommendation:
    option: Option | None
    reason: str


def recommend(
    options: Sequence[Option],
    constant: tuple[str, Sequence[float]],
    margin: float,
    seed: int = 0,
    clusters: Sequence[object] | None = None,
) -> Recommendation:
    """`constant` is the best constant answer, with its scores; `margin` how much worse than the best is good enough."""
    label, always = constant
    worth = proved_better(options, always, seed, clusters)
    if not worth:
        return Recommendation(None, none_sentence(options, label, always))

    by_name = {str(number): option for number, option in enumerate(worth)}
    seen = {name: as_candidate(name, option, seed, clusters) for name, option in by_name.items()}
    top = best_of(list(seen.values()))

    good, unproved = [top], set()
    for name, candidate in seen.items():
        if candidate is top:
            continue

        gap = paired_difference(by_name[top.name].values, by_name[name].values, seed, clusters)
        if gap.estimate >= -margin and not (gap.p < ALPHA and gap.high < 0):
            good.append(candidate)
            if gap.low < -margin:
                unproved.add(name)

    winner = cheapest(good)
    reason = sentence_of(winner, top, list(seen.values()), margin, len(always))
    if winner.name in unproved:
        gap = paired_difference(by_name[top.name].values, by_name[winner.name].values, seed, clusters)
        interval = format_change_range(gap.low, gap.high, None)
        reason += f" The rows cannot prove that the gap is no larger ({format_change(gap.estimate, None)} points, "
        reason += f"95% interval {interval})."
    return Recommendation(by_name[winner.name], reason)


def proved_better(
    options: Sequence[Option], always: Sequence[float], seed: int, clusters: Sequence[object] | None
) -> list[Option]:
    """Rule 1."""
    gaps = [paired_difference(always, option.values, seed, clusters) for option in options]
    corrected = holm([gap.p for gap in gaps])
    proved = []
    for option, gap, p in zip(options, gaps, corrected, strict=True):
        if p < ALPHA and gap.estimate > 0:
            proved.append(option)
    return proved


def as_candidate(name: str, option: Option, seed: int, clusters: Sequence[object] | None) -> Candidate:
    """For the rule of whet compare; what a machine computes stands in the place of tokens."""
    low, high = mean_interval(list(option.values), seed, clusters)
    return Candidate(
        name,
        option.label,
        do_of(option),
        score=option.score,
        low=low,
        high=high,
        prompt_tokens=option.prompt_tokens,
        tokens=option.tokens * max(1, option.parameters),
        cost=option.usd,
        trained=option.way == "tuned",
        effort=option.effort,
    )


def do_of(option: Option) -> str:
    """What to do when it wins, as an imperative."""
    if option.way == "tuned":
        return f"tune {option.base}"
    return f"use {option.label}, and do not tune"


def sentence_of(winner: Candidate, top: Candidate, others: Sequence[Candidate], margin: float, rows: int) -> str:
    """What to do, its score and cost, and what it was chosen over."""
    head = f"{capitalise(winner.do)}: {scored(winner)} on {rows:,} validation rows{costing(winner)}"
    if winner is not top:
        return (
            f"{head}; the best, {top.label}, reaches {scored(top)}{costing(top)}, which is no more than "
            f"{points(margin)} above, and costs more."
        )

    rest = [other for other in others if other is not winner]
    if not rest:
        return f"{head}; nothing else is proved better than a constant answer."
    second = best_of(rest)
    return f"{head}; the next best, {second.label}, reaches {scored(second)}{costing(second)}."


def scored(candidate: Candidate) -> str:
    """`93% (88% to 97%)`."""
    return f"{percent(candidate.score)} ({percent(candidate.low)} to {percent(candidate.high)})"


def costing(candidate: Candidate) -> str:
    if candidate.cost is None:
        return ""
    return f" at {dollars(candidate.cost)} a thousand answers"


def none_sentence(options: Sequence[Option], label: str, always: Sequence[float]) -> str:
    """Nothing is better than what reads nothing."""
    share = percent(sum(always) / len(always))
    if not options:
        return "None is worth it: no candidate could be measured within the budget."
    best = max(options, key=lambda option: option.score)
    return (
        f"None is worth it: on {len(always):,} validation rows nothing is proved better than {label} ({share}); the "
        f"best, {best.label}, reaches {percent(best.score)}. Look at the rows and their answers before spending more."
    )
