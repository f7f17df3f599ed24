"""Tuned against base: the two scores, and the difference with its interval drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypedDict, cast

from whet.evaluation import decision
from whet.evaluation.facts import SIDES, Evaluation, MetricFacts, SideFacts
from whet.reports import chart
from whet.reports.chart import Span, Tick
from whet.reports.lines import Frame, Phrase, Spoken, score
from whet.reports.section import Section
from whet.text.numbers import (
    format_change,
    format_change_range,
    format_metric_name,
    format_p,
    format_score,
    plain_number,
    points,
    unit,
)
from whet.text.wording import WORDS, number

if TYPE_CHECKING:
    from whet.data.ledger import LedgerFacts


class ScoreView(TypedDict):
    name: str
    score: str
    range: str
    span: Span


class VerdictView(TypedDict):
    word: str
    title: str
    sentence: str
    estimate: str
    unit: str
    range: str
    span: Span
    zero: float
    """Percent from the left."""
    band: Span
    """Differences that are too small to matter."""
    band_label: str
    ticks: list[Tick]
    scores: list[ScoreView]
    score_ticks: list[Tick]
    metric: MetricFacts


class DifferenceView(TypedDict):
    verdict: VerdictView
    tiles: list[tuple[str, str, str]]
    """(label, value, note)."""
    sentence: str


def verdict_view(evaluation: Evaluation) -> VerdictView | None:
    """Tuned against base, with both intervals placed on their axes; None for a run without a verdict."""
    from whet.evaluation.verdict import EQUIVALENCE  # loads scipy, which the lines of a terminal do not need

    verdict, difference = evaluation.get("verdict"), evaluation.get("difference")
    if not verdict or not difference:
        return None

    held = next((entry for entry in verdict.get("against") or [] if entry["name"] == "base"), verdict)
    title, _ = WORDS[held["word"]]
    low, high = number(difference["low"], -1.0), number(difference["high"], 1.0)
    estimate, scale = difference["estimate"], difference.get("scale")
    metric = evaluation.get("metric") or {}
    band, factor = EQUIVALENCE * (scale or 1.0), 100 if scale is None else 1
    reach = (min(low, -1.6 * band), max(high, 1.6 * band))
    start, end = chart.pad_range(factor * reach[0], factor * reach[1], 0.08)
    sides = {name: evaluation[name] for name in SIDES if evaluation.get(name)}

    if scale is None:
        score_range = (0.0, 1.0)
    else:
        score_range = chart.padded_range(list(sides.values()))

    return {
        "word": held["word"],
        "title": title,
        "sentence": verdict["sentence"],
        "estimate": format_change(estimate, scale),
        "unit": unit(scale),
        "range": format_change_range(low, high, scale),
        "span": chart.span(factor * low, factor * estimate, factor * high, start, end),
        "zero": chart.span(0, 0, 0, start, end).centre,
        "band": chart.span(-factor * band, 0, factor * band, start, end),
        "band_label": f"\u00b1{points(EQUIVALENCE) if scale is None else plain_number(band)}",
        "ticks": chart.axis(start, end, 6, sign=True),
        "scores": [score_view(name, side, scale, score_range) for name, side in sides.items()],
        "score_ticks": chart.axis(factor * score_range[0], factor * score_range[1], 4),
        "metric": cast(MetricFacts, {**metric, "name": format_metric_name(metric.get("name") or "")}),
    }


def score_view(name: str, side: SideFacts, scale: float | None, ends: tuple[float, float]) -> ScoreView:
    score = side["score"]
    low, high = number(side.get("low"), score), number(side.get("high"), score)
    return {
        "name": name,
        "score": format_score(score, scale),
        "range": f"{format_score(low, scale)} to {format_score(high, scale)}",
        "span": chart.span(low, score, high, *ends),
    }


def key_numbers(evaluation: Evaluation, ledger: LedgerFacts) -> list[tuple[str, str, str]]:
    """(label, value, note) of the key numbers that the first screen does not tell."""
    tiles: list[tuple[str, str, str]] = []
    difference, stopped = evaluation.get("difference") or {}, evaluation.get("stopped") or {}
    if difference:
        note = f"{difference['test']}; rows that differ: {difference['discordant']:,} of {difference['rows']:,}"
        if "rows" not in difference:
            note = difference["test"]
        tiles.append(("p-value", format_p(difference["p"], prefix=False), note))

    smallest = evaluation.get("detectable_gain")
    if smallest is not None:
        tiles.append(("Detectable gain", points(round(smallest, 3)), "these test rows show, if 30% of them differ"))

    base, tuned = (evaluation.get(side, {}).get("nll_per_token") for side in SIDES)
    if tuned is not None:
        note = "nats per token of the reference" + (f"; base {chart.short_number(base)}" if base is not None else "")
        tiles.append(("Reference loss", chart.short_number(tuned), note))

    if stopped.get("step") is not None:
        if stopped.get("best_step") is not None:
            best = f"best at {stopped['best_step']:,}"
        else:
            best = ""
        tiles.append(
            ("Steps", f"{stopped['step']:,}", "; ".join(filter(None, [best, str(stopped.get("reason") or "")])))
        )

    if ledger.get("supervised_tokens") is not None:
        if ledger.get("tokens"):
            note = f"of {ledger['tokens']:,} tokens"
        else:
            note = ""
        tiles.append(("Supervised tokens", f"{ledger['supervised_tokens']:,}", note))

    return tiles


def difference_view(evaluation: Evaluation, ledger: LedgerFacts) -> DifferenceView | None:
    """The verdict with the key numbers below it; its sentence stands with the opponents if there are some."""
    tiles = key_numbers(evaluation, ledger or evaluation.get("ledger", {}))
    verdict = verdict_view(evaluation)
    if verdict is None:
        return None

    sentence = verdict["sentence"]
    if evaluation["verdict"].get("against"):
        sentence = ""
    return {"verdict": verdict, "tiles": tiles, "sentence": sentence}


def verdict_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    """The verdict of the task in one sentence, the two scores, and the difference with its interval drawn.

    What was lost elsewhere is left out of the sentence: the answer to "should it be used?" says it.
    """
    verdict = evaluation.get("verdict")
    if not verdict:
        return

    word = verdict.get("word", "undecided")
    base, tuned = evaluation.get("base") or {}, evaluation.get("tuned") or {}
    difference = evaluation.get("difference") or {}
    text = [Phrase(verdict.get("sentence", "").replace(decision.cost_sentence(evaluation), ""))]

    if tuned.get("score") is not None:
        name, scale = format_metric_name((evaluation.get("metric") or {}).get("name", "score")), difference.get("scale")
        text += [
            Phrase(f"\n\n{name}   base "),
            Phrase(score(base.get("score"), scale), "strong"),
            Phrase("   tuned "),
            Phrase(score(tuned["score"], scale), word),
        ]

    if difference.get("low") is not None and difference.get("scale") is None:
        text.append(Phrase(f"\n{interval(difference['low'], difference['estimate'], difference['high'])}"))
        text.append(Phrase(f"\n{'-100':<28}{'0':^5}{'+100 points':>28}", "soft"))

    yield Frame(word, word, text)


def interval(low: float, estimate: float, high: float, width: int = 61) -> str:
    """The interval on a line from -100 to +100 points, zero marked: `·····┼···├──●──┤····`."""

    def place(value: float) -> int:
        return round((min(1.0, max(-1.0, value)) + 1) / 2 * (width - 1))

    line = ["·"] * width
    line[width // 2] = "┼"
    for position in range(place(low), place(high) + 1):
        line[position] = "─"
    line[place(low)], line[place(high)], line[place(estimate)] = "├", "┤", "●"
    return "".join(line)


SECTION = Section(
    key="difference",
    title="Tuned against base",
    after="opponents",
    reads=("evaluation.json", "ledger.json"),
    view=difference_view,
    line=verdict_lines,
    line_after="ledger",
)
