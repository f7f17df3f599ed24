"""What people said of answers, as rows to learn from, each with the trace that it comes from.

A right answer (a correction or a label) becomes a row of prompt and answer, or beside the answer that was given a pair;
a thumb marks the answer that was given. Where people disagree of one trace there is no row: both are shown. A row that
is (nearly) one of the test rows never enters training, or the next verdict would be about what was learned by heart.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from whet.data.split.parts import leaks
from whet.data.split.row_traits import Traits, compute_traits
from whet.doctor.analysis.overlap import Overlaps
from whet.doctor.analysis.row_texts import hashed, words
from whet.doctor.checks.held_out.contamination import COVERED
from whet.monitoring.alarm import written_time
from whet.monitoring.trace import Feedback, Trace, asked_last
from whet.monitoring.watches.feedback import right_answer
from whet.text.normalise import normalise
from whet.types import Message, Row

FeedbackForm = Literal["answers", "labels", "pairs", "marks"]
"""What a method learns from: conversations, texts with a label, pairs, or answers marked good or bad."""
DISAGREE = "people disagree"
NO_TEXT = "what was asked was not kept"
NEAR_TEST = "it is (nearly) a test row"
CALLS = "tools were offered or called"
OTHER_LABEL = "it is none of the model's labels"
SAID = "nothing that this form of rows needs was said"
SAME = "the right answer is the one that was given"


@dataclass(slots=True)
class FeedbackRows:
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    """The trace, why, and what was said of it."""


def feedback_rows(
    traces: Sequence[Trace], form: FeedbackForm, tests: Sequence[Sequence[Message]], labels: Collection[str] = ()
) -> FeedbackRows:
    """`tests` are the conversations of the test rows, answers included; `labels` those that the model answers. Traces
    of which nobody said anything are passed over."""
    found = FeedbackRows()
    places: list[Trace] = []
    for trace in traces:
        if not trace.feedback:
            continue
        row, why = row_of(trace, form, labels)
        if row is None:
            found.left_out.append(_left_out(trace, why))
        else:
            found.rows.append(row)
            places.append(trace)

    too_near = near([_conversation(row) for row in found.rows], tests)
    found.left_out += [_left_out(places[place], NEAR_TEST) for place in sorted(too_near)]
    found.rows = [row for place, row in enumerate(found.rows) if place not in too_near]
    return found


def row_of(trace: Trace, form: FeedbackForm, labels: Collection[str]) -> tuple[dict[str, Any] | None, str]:
    """The row, or why there is none."""
    if not trace.asked.strip():
        return None, NO_TEXT
    if trace.tool_calls or trace.tools:
        return None, CALLS
    told = {"trace": trace.id, "at": written_time(trace.at), "by": [one.by for one in trace.feedback if one.by]}
    if form == "marks":
        thumbs = {one.good for one in trace.feedback if one.good is not None}
        if len(thumbs) != 1 or trace.answer is None:
            return None, DISAGREE if len(thumbs) > 1 else SAID
        return {"prompt": trace.messages, "completion": trace.answer, "label": thumbs.pop()} | told, ""

    right, why = _right(trace, labels)
    if right is None:
        return None, why
    if form == "pairs":
        if trace.answer is None or normalise(right) == normalise(trace.answer):
            return None, SAME if trace.answer is not None else NO_TEXT
        return {"prompt": trace.messages, "chosen": right, "rejected": trace.answer} | told, ""
    if form == "labels" and right not in labels:
        return None, OTHER_LABEL
    if form == "labels":
        return {"text": trace.asked, "label": right} | told, ""
    return {"messages": [*trace.messages, {"role": "assistant", "content": right}]} | told, ""


def _right(trace: Trace, labels: Collection[str]) -> tuple[str | None, str]:
    """The right answer that all agree on. A thumb up says that the answer was right."""
    said: dict[str, str] = {}
    for one in trace.feedback:
        text = _said(one, trace, labels)
        if text is not None and text.strip():
            said.setdefault(normalise(text), text)
    down = any(one.good is False for one in trace.feedback)
    if len(said) > 1 or (down and trace.answer is not None and normalise(trace.answer) in said):
        return None, DISAGREE
    return (next(iter(said.values())), "") if said else (None, SAID)


def _said(one: Feedback, trace: Trace, labels: Collection[str]) -> str | None:
    right = right_answer(one, labels)
    return trace.answer if right is None and one.good else right


def near(conversations: Sequence[Sequence[Message]], tests: Sequence[Sequence[Message]]) -> set[int]:
    """Places of the conversations that belong together with a test row as the split has it, or that ask for most of
    what one asks, in the same words. Both with their answers."""
    if not conversations or not tests:
        return set()
    held = [Row(place, "", [dict(message) for message in said]) for place, said in enumerate([*tests, *conversations])]
    traits = Traits()
    traits.add(compute_traits(held))
    test_R, train_R = np.arange(len(tests)), np.arange(len(tests), len(held))
    leaked = {int(place) - len(tests) for place in leaks(traits, train_R, test_R)}

    overlaps = Overlaps([asked_last(said) for said in tests])
    for place, said in enumerate(conversations):
        overlaps.add(place, hashed(words(asked_last(said))))
    return leaked | {one.row for one in overlaps.found() if one.covered >= COVERED}


def _conversation(row: dict[str, Any]) -> list[Message]:
    if "messages" in row:
        return row["messages"]
    if "text" in row:
        return [{"role": "user", "content": row["text"]}, {"role": "assistant", "content": row["label"]}]
    return [*row["prompt"], {"role": "assistant", "content": row.get("chosen", row.get("completion"))}]


def _left_out(trace: Trace, why: str) -> dict[str, Any]:
    said = [
        {
            key: value
            for key in ("good", "corrected", "label", "comment", "by")
            if (value := getattr(one, key)) is not None
        }
        for one in trace.feedback
    ]
    return {"trace": trace.id, "where": trace.where, "why": why, "said": said}
