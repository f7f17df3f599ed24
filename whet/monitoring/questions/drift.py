"""Do live prompts look like those that the model was trained on?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from whet.doctor.analysis.topics import distinctive_words, matrix_of, topics
from whet.errors import count
from whet.monitoring.alarm import (
    SHOWN,
    Alarm,
    Seen,
    Suggestion,
    evidence_of,
    examples_of,
    not_watched,
    percent,
    since_of,
)
from whet.monitoring.expected import Expected
from whet.monitoring.trace import Trace, once_each
from whet.monitoring.watches.drift import FEWEST_KNOWN, FEWEST_LIVE, DriftWatch
from whet.monitoring.watches.feedback import right_answer

ENOUGH_ANSWERS = 50
"""Right answers to new prompts that a new tune can learn from."""
KINDS = 6
FEWEST_OF_A_KIND = 3


def look(traces: Sequence[Trace], expected: Expected, alpha: float) -> Seen:
    places = first_prompts(traces)
    if len(expected.prompts) < FEWEST_KNOWN:
        known = count(len(expected.prompts), "prompt")
        return not_watched("drift", f"not looked at: {known} of the training rows, {FEWEST_KNOWN} are needed")
    if len(places) < FEWEST_LIVE:
        return not_watched("drift", f"not looked at: {count(len(places), 'live prompt')}, {FEWEST_LIVE} are needed")

    watch = DriftWatch(expected.prompts, alpha)
    watch.see([traces[place].asked for place in places])
    crossed = watch.crossing
    seen = watch.look(crossed.since if crossed else None)
    assert seen is not None
    facts = {"auc": seen.area, "auc_interval": list(seen.interval), "auc_of": len(seen.score_N)}
    area = f"a classifier tells them from training prompts with an AUC of {seen.area:.2f}"
    area += f" ({seen.interval[0]:.2f} to {seen.interval[1]:.2f}; 0.50 is by chance)"
    if crossed is None:
        return Seen("drift", f"Live prompts look as they did: {area}.", True, len(places), facts)

    new = [places[n] for n in seen.new if n >= seen.first]
    told = {places[seen.first + n]: float(score) for n, score in enumerate(seen.score_N)}
    kinds = kinds_of([traces[place].asked for place in new])
    alarm = Alarm(
        "drift",
        _sentence(len(new), len(seen.score_N), kinds, area),
        since_of(traces, places[crossed.since]),
        evidence_of(crossed.watch, places[crossed.enough], alpha),
        {**facts, "new": len(new), "of": len(seen.score_N), "kinds": kinds},
        examples_of(traces, _telling(new, told, traces), told),
        *_suggestion([traces[place] for place in new], expected.labels),
        frozenset(places[n] for n in seen.new),
    )
    return Seen("drift", alarm.sentence, True, len(places), facts, alarm)


def first_prompts(traces: Sequence[Trace]) -> list[int]:
    """Places of the traces that begin a conversation, and tell what was asked. One that holds an answer already goes on
    with one."""
    begins = {
        place: True
        for place, trace in enumerate(traces)
        if trace.asked.strip() and not any(message.get("role") == "assistant" for message in trace.messages)
    }
    return list(once_each(begins, traces))


def kinds_of(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The new prompts in kinds, each named by its words, the largest first."""
    if len(texts) < FEWEST_OF_A_KIND:
        return []
    matrix_NF = matrix_of(texts)
    if not matrix_NF.nnz:
        return []
    kind_N = topics(matrix_NF, KINDS)
    sizes = np.bincount(kind_N)
    return [
        {"words": distinctive_words(texts, kind_N, kind), "prompts": int(size)}
        for kind, size in enumerate(sizes)
        if size >= FEWEST_OF_A_KIND
    ]


def _sentence(new: int, of: int, kinds: Sequence[dict[str, Any]], area: str) -> str:
    named = "; ".join(f"{', '.join(kind['words'])} ({kind['prompts']})" for kind in kinds[:3] if kind["words"])
    said = f"Live prompts have changed: {new} of the last {of} ({percent(new / of)}) are unlike those that it was "
    said += f"trained on, where 5% would be ordinary; {area}."
    return f"{said} By their words: {named}." if named else said


def _telling(new: Sequence[int], told: dict[int, float], traces: Sequence[Trace]) -> list[int]:
    """The newest looking ones, no text twice."""
    found: dict[str, int] = {}
    for place in sorted(new, key=lambda place: -told[place]):
        found.setdefault(traces[place].asked, place)
    return list(found.values())[:SHOWN]


def _suggestion(new: Sequence[Trace], labels: Collection[str]) -> tuple[Suggestion, str]:
    answered = sum(any(right_answer(one, labels) is not None for one in trace.feedback) for trace in new)
    if answered >= ENOUGH_ANSWERS:
        return "retrain", f"{answered} of the new prompts have a right answer"
    return "collect", f"{answered} of the new prompts have a right answer, and {ENOUGH_ANSWERS} are worth a tune"
