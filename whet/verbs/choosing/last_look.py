"""The test rows, read once: by the candidate that was chosen, and what it must beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from whet.data.prepare import Prepared
from whet.errors import DataError
from whet.evaluation.decision import decide
from whet.evaluation.facts import Evaluation
from whet.evaluation.opponents.joint_verdict import strongest, verdict_of
from whet.evaluation.opponents.opponent import Held, Opponent, hold
from whet.observer import Observer
from whet.recipe.schema import OpponentName
from whet.selection.asking import Asked, RowAsker
from whet.selection.choice_facts import AskedName, ChoiceVerdict
from whet.stats.paired import clusters_of, mean_interval
from whet.store.run import Run
from whet.text.numbers import format_change, format_change_range
from whet.text.wording import percent
from whet.types import Row
from whet.verbs.steps.main_job import finish_run
from whet.verbs.steps.stages import register

BELOW: dict[AskedName, tuple[AskedName, ...]] = {
    "as_it_is": (),
    "prompted": ("as_it_is",),
    "examples": ("as_it_is", "prompted"),
}
"""What takes less to set up than each way, and must be beaten by it, beside the constant."""
OPPONENT: dict[AskedName, tuple[OpponentName, str]] = {
    "as_it_is": ("base", "the same as it is"),
    "prompted": ("prompted", "the same with a prompt"),
    "examples": ("examples", "the same with three examples"),
}


def scorable(prepared: Prepared) -> list[Row]:
    """The test rows. Raises DataError without any."""
    rows = list(prepared.test_rows)
    if not rows:
        raise DataError("there are no test rows, so nothing can be proved", fix="make split.test larger than 0")
    return rows


def judge_untuned(asker: RowAsker, way: AskedName, label: str, seed: int) -> ChoiceVerdict:
    """The chosen way on the test rows, held against the constant answer and what takes less to set up."""
    chosen = asker.ask(way)
    clusters = clusters_of(asker.turns.whole)
    places = list(range(len(chosen.values)))

    name, values = asker.constant()
    opponents = [Opponent("constant", name, places, values)]
    for other in BELOW[way]:
        asked = _asked(asker, other)
        if asked is not None:
            opponents.append(Opponent(*OPPONENT[other], places, asked.values))

    held = [hold(opponent, chosen.values, clusters, seed) for opponent in opponents]
    low, high = mean_interval(chosen.values, seed, clusters)
    return {
        "word": verdict_of(held).word,
        "sentence": sentence_of(label, chosen.score, low, high, held, len(places)),
        "score": chosen.score,
        "interval": [low, high],
        "rows": len(places),
        "against": [cast(dict[str, Any], each.facts()) for each in held],
        "ship": None,
    }


def _asked(asker: RowAsker, way: AskedName) -> Asked | None:
    try:
        return asker.ask(way)
    except DataError:  # it could not be asked on validation rows either, and the choice says why
        return None


def sentence_of(label: str, score: float, low: float, high: float, held: Sequence[Held], rows: int) -> str:
    """In words that fit what was not tuned."""
    top = strongest(held)
    gap = top.difference
    change = f"{format_change(gap.estimate, None)} points (95% interval {format_change_range(gap.low, gap.high, None)})"
    proved = "better" if top.word == "better" else "not proved better"
    return (
        f"On {rows:,} test rows {label} reaches {percent(score)} ({percent(low)} to {percent(high)}): {proved} than "
        f"{top.opponent.label}, {change}."
    )


def judge_tuned(run: Run, observer: Observer) -> ChoiceVerdict:
    """The verdict of `whet tune` on the run."""
    result, fresh = finish_run(run, observer)
    if fresh:
        register(run, result, run.folder.parent, observer)
    return verdict_of_run(result)


def verdict_of_run(result: Evaluation) -> ChoiceVerdict:
    tuned, verdict = result["tuned"], result["verdict"]
    return {
        "word": verdict["word"],
        "sentence": verdict["sentence"],
        "score": tuned["score"],
        "interval": [tuned["low"], tuned["high"]],
        "rows": tuned["rows"],
        "against": [cast(dict[str, Any], each) for each in verdict.get("against", [])],
        "ship": decide(result),
    }
