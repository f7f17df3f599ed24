"""The loss on the references as a figure of its own: nats per byte, paired row by row, with an interval.

Bytes of the reference, not tokens, so that models with different tokenizers compare. A row's figure is the loss over
all tokens that are learned in it, the stop tokens too, divided by the bytes of their text; rows weigh the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from whet.evaluation.facts import SIDES, Evaluation, LossFacts
from whet.evaluation.verdict import compare
from whet.text.numbers import format_p, plain_number
from whet.types import Row, Segment

UNIT = "nats per byte of the reference"
FREE_TEXT = ("rouge-l", "chrf", "nll")
"""Metrics whose verdict also says what became of the loss."""


def bytes_of(segments: Iterable[Segment], tokenizer: Any) -> dict[int, tuple[int, int]]:
    """(bytes of the text that is learned, tokens that are learned) of each row, by the row's index."""
    sizes: dict[int, tuple[int, int]] = {}
    for segment in segments:
        learned = [token for token, weight in zip(segment.ids, segment.weights, strict=True) if weight]
        size = len(tokenizer.decode(learned, skip_special_tokens=True).encode())
        before, tokens = sizes.get(segment.row, (0, 0))
        sizes[segment.row] = (before + size, tokens + len(learned))
    return sizes


def measure_loss(
    nll: dict[str, dict[int, tuple[float, float]]],
    sizes: dict[int, tuple[int, int]],
    rows: Sequence[Row],
    seed: int,
    clusters: Sequence[object] | None,
) -> LossFacts:
    """The key `loss` of evaluation.json. `nll` holds (weighted loss in nats, weight) of each row, by side; turns of
    unequal weight count by it. `difference` is tuned minus base: below 0 is better."""
    values: dict[str, list[float]] = {}
    for side, by_index in nll.items():
        values[side] = [_per_byte(*by_index[row.index], *sizes[row.index]) for row in rows]

    base = [-value for value in values["base"]]
    tuned = [-value for value in values["tuned"]]
    difference, verdict = compare(base, tuned, seed, clusters)
    return {
        "base": sum(values["base"]) / len(rows),
        "tuned": sum(values["tuned"]) / len(rows),
        "difference": -difference.estimate,
        "difference_interval": [-difference.high, -difference.low],
        "p": difference.p,
        "word": verdict.word,
        "rows": len(rows),
        "unit": UNIT,
    }


def state_loss(loss: LossFacts) -> str:
    """`0.91 to 0.72 nats per byte of the reference (-0.19, -0.21 to -0.17, p < 0.0001)`."""
    low, high = loss["difference_interval"]
    change = f"{loss['difference']:+.2g}, {low:+.2g} to {high:+.2g}, {format_p(loss['p'])}"
    return f"{plain_number(loss['base'])} to {plain_number(loss['tuned'])} {loss['unit']} ({change})"


def tell_loss(facts: Evaluation) -> None:
    """Writes into the verdict what the loss says: beside a metric of free text, and in place of a number of rows if
    the metric cannot tell the models apart, because both have nothing right, or everything."""
    assert "loss" in facts
    loss, name = state_loss(facts["loss"]), facts["metric"]["name"]
    if _all_alike(facts):
        _tell_alike(facts, loss)
    elif name in FREE_TEXT:
        facts["verdict"]["sentence"] += f" The loss went from {loss}."


def _all_alike(facts: Evaluation) -> bool:
    """Whether both models have nothing right, or both everything."""
    scores = {facts[side]["score"] for side in SIDES}
    return facts["difference"]["discordant"] == 0 and scores in ({0.0}, {1.0})


def _tell_alike(facts: Evaluation, loss: str) -> None:
    verdict, name = facts["verdict"], facts["metric"]["name"]
    value, rows = int(facts["base"]["score"]), facts["difference"]["rows"]
    if value == 0:
        verdict["word"] = "undecided"  # that neither has anything right does not prove that nothing changed

    verdict["rows_needed"] = None
    if verdict["word"] == "no-difference":
        start = "No difference"
    else:
        start = "Undecided"

    verdict["sentence"] = (
        f"{start}: the metric {name} cannot tell these models apart, both score {value} on all {rows:,} test rows; "
        f"look at the loss: {loss}."
    )


def _per_byte(loss: float, weight: float, size: int, tokens: int) -> float:
    return loss / weight * tokens / max(1, size)
