"""The curves of training, from metrics.jsonl: what was minimised first, then what else was logged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from whet.evaluation.facts import Evaluation, StoppedFacts
from whet.reports import chart
from whet.reports.lines import Phrase, Spoken
from whet.reports.section import Section
from whet.text.wording import is_finite

OTHERS = (
    ("kl", "KL to the base, nats"),
    ("entropy", "Entropy of what was sampled, nats a token"),
    ("answer_tokens", "Tokens an answer"),
    ("learning_rate", "Learning rate"),
    ("grad_norm", "Gradient norm"),
    ("tokens_per_second", "Tokens a second"),
)
"""Curves that have a small chart each: the key, and what it is called."""
NOISY = (("accuracy", "Share right in a step"), ("margin", "Margin of chosen over rejected"))
"""Small charts of what says little step by step, so that its mean over some steps is drawn, too."""
FEWEST = 8
"""Points of the later part from which on it is worth a panel of its own."""
LATER = 0.15
"""The later part of a curve is what comes after this share of the steps."""
FLAT = 0.3
"""A later part that covers less of the height than this cannot be read."""
READABLE = 0.45
"""What a logarithmic axis must give the later part, else it gets a panel of its own."""

Metrics = Sequence[Mapping[str, Any]]
"""The lines of metrics.jsonl: each has a `step`, and what the method logged at it."""


def charts(metrics: Metrics, stopped: StoppedFacts | None) -> list[chart.Chart]:
    """Wide charts (reward, loss, chosen against rejected) first; then small ones."""
    best = (stopped or {}).get("best_step")
    marks: list[tuple[float, str]] = []
    if best is not None:
        marks.append((best, f"best, step {best:,}"))

    made: list[chart.Chart | None] = []
    for title, lines in wide_lines(metrics):
        made += panels(title, lines, marks)

    for key, title in NOISY:
        points = series(metrics, key)
        lines = [chart.Line("each step", "raw", points), chart.Line("mean", "train", steadied(points))]
        made.append(chart.chart(title, lines))

    made += [chart.chart(title, [chart.Line(title, "plain", series(metrics, key))]) for key, title in OTHERS]
    return [each for each in made if each]


def wide_lines(metrics: Metrics) -> list[tuple[str, list[chart.Line]]]:
    reward, loss = series(metrics, "reward"), series(metrics, "loss")
    chosen, rejected = series(metrics, "reward_chosen"), series(metrics, "reward_rejected")
    return [
        (
            "Reward",
            [
                chart.Line("each step", "raw", reward),
                chart.Line("sampled answers", "train", steadied(reward)),
                chart.Line("validation, greedy answers", "validation", series(metrics, "validation_reward")),
            ],
        ),
        (
            "Loss",
            [
                chart.Line("each step", "raw", loss),
                chart.Line("training loss", "train", steadied(loss)),
                chart.Line("validation loss", "validation", series(metrics, "validation_loss")),
            ],
        ),
        (
            "Chosen and rejected: gain over the base, times beta",
            [
                chart.Line("chosen", "train", steadied(chosen)),
                chart.Line("rejected", "rejected", steadied(rejected)),
            ],
        ),
    ]


def panels(title: str, lines: list[chart.Line], marks: list[tuple[float, str]]) -> list[chart.Chart | None]:
    """One chart; where the first drop flattens what comes after it, on a logarithmic axis, and where that does not
    help either, with a second panel of the later part."""
    first = later_from(lines)
    flat = first is not None and chart.share_of_height(lines, first) < FLAT
    if not flat or first is None:
        return [chart.chart(title, lines, marks, wide=True)]
    if chart.share_of_height(lines, first, log=True) >= READABLE:
        return [chart.chart(f"{title}, logarithmic axis", lines, marks, wide=True, log=True)]
    rest = []
    for line in lines:
        rest.append(chart.Line(line.name, line.style, [point for point in line.points if point[0] >= first]))
    whole = chart.chart(title, lines, marks, wide=True)

    return [whole, chart.chart(f"{title} from step {first:,.0f} on", rest, marks, wide=True)]


def later_from(lines: list[chart.Line]) -> float | None:
    """The step at which the later part begins; None where it has too few points to be looked at."""
    steps = sorted({x for line in lines if line.style != "raw" for x, _ in line.points})
    if not steps:
        return None
    first = steps[0] + LATER * (steps[-1] - steps[0])
    later = [x for x in steps if x >= first]
    return later[0] if len(later) >= FEWEST else None


def steadied(points: list[chart.Point]) -> list[chart.Point]:
    return chart.smooth(points, max(1, len(points) // 20))


def series(metrics: Metrics, key: str) -> list[chart.Point]:
    """(step, value) of the lines that have a finite value."""
    return [(line["step"], line[key]) for line in metrics if "step" in line and is_finite(line.get(key))]


def curves_view(metrics: Metrics, evaluation: Evaluation) -> list[chart.Chart]:
    return charts(metrics, evaluation.get("stopped"))


def stopped_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    stopped = evaluation.get("stopped") or {}
    if stopped.get("reason"):
        yield Phrase(f"Training ended at step {stopped.get('step')}: {stopped['reason']}")


SECTION = Section(
    key="training",
    title="Training",
    after="third",
    reads=("metrics.jsonl", "evaluation.json"),
    view=curves_view,
    line=stopped_lines,
    line_after="answer",
)
