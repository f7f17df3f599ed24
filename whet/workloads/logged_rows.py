"""The requests of a workload as rows to learn from: what the big model answered, or what people wanted instead.

Nothing is left out without a reason that is counted. Texts are redacted here, before anything is written.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from whet.doctor.checks.one_text.refusal import OPENING, PATTERN
from whet.monitoring.trace import Trace, text_of
from whet.text.normalise import normalise
from whet.types import Message
from whet.workloads.redaction import redacted_value
from whet.workloads.templates import masked
from whet.workloads.workload import INSTRUCTS, Workload

FAILED, CUT, REFUSED, EMPTY = "the request failed", "the answer is cut", "the answer is a refusal", "no answer"
NOT_KEPT, NOT_TEXT = "what was asked was not kept", "it holds more than text"
DISAGREE, BAD = "people disagree of it", "people said that it is wrong, and not what is right"
LONGER, REPEATED = "a later request of its conversation holds it", "the same was asked and answered later"
NO_TIME, BEYOND, NEAR = "it has no time, and others have", "beyond --most", "near to a later row behind the cut"
SHOWN = 5
"""Contradictions that are shown."""
KEPT_KEYS = ("role", "content", "name", "tool_call_id")


@dataclass(frozen=True, slots=True)
class LoggedRow:
    messages: list[Message]
    """The prompt, and the answer as the last turn; redacted."""
    tools: list[dict[str, Any]] | None
    trace: str
    at: float | None
    place: int
    """Of the request in the log, for rows without times."""
    corrected: bool
    """The answer is one that people wanted in the place of the big model's."""
    named: bool
    """The log itself names the request: `trace` is not only its place there."""

    def written(self) -> dict[str, Any]:
        """A row of a file of data, the same when the log has moved or its lines have."""
        tools = {"tools": self.tools} if self.tools else {}
        trace = {"trace": self.trace} if self.named else {}
        return {"messages": self.messages} | tools | trace


@dataclass(slots=True)
class LoggedRows:
    """In the order of time, where the requests have times, else in that of the log."""

    rows: list[LoggedRow] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    timed: bool = True
    contradictions: list[dict[str, Any]] = field(default_factory=list)
    """Prompts that were answered in different ways, at most SHOWN of them."""
    contradicted: int = 0
    """How many there are."""
    repeated: int = 0
    """Prompts that were asked more than once."""
    same_answer: float | None = None
    """Share of two answers to such a prompt that are the same, on average: how far the big one agrees with itself."""


def logged_rows(workload: Workload) -> LoggedRows:
    found = LoggedRows(timed=any(trace.at is not None for trace in workload.traces))
    usable = []
    for place, trace in enumerate(workload.traces):
        row, why = _row_of(trace, place)
        if row is not None and found.timed and trace.at is None:
            row, why = None, NO_TIME
        if row is None:
            found.left_out[why] += 1
        else:
            usable.append(row)

    usable.sort(key=lambda row: (row.at or 0.0, row.place))
    _look_at_repeats(usable, found)
    found.rows = _last_of_each(_longest(usable, found.left_out), found.left_out)
    return found


def sampled(rows: LoggedRows, most: int) -> None:
    """Leave out what is beyond the bound: which rows stay, their content alone decides."""
    if len(rows.rows) <= most:
        return
    drawn = sorted(rows.rows, key=lambda row: _digest(row.messages))[:most]
    kept = {id(row) for row in drawn}
    rows.left_out[BEYOND] += len(rows.rows) - most
    rows.rows = [row for row in rows.rows if id(row) in kept]


def is_failed(trace: Trace) -> bool:
    """Nothing came of the request, or not all of it."""
    return trace.error is not None or trace.finish_reason == "length"


def _row_of(trace: Trace, place: int) -> tuple[LoggedRow | None, str]:
    """The row, or why there is none."""
    if not any(text_of(message).strip() for message in trace.messages):
        return None, NOT_KEPT
    if trace.error is not None:
        return None, FAILED
    answer, corrected, why = _answer(trace)
    if answer is None:
        return None, why

    messages = [_plain(message) for message in trace.messages]
    if any(message is None for message in messages):
        return None, NOT_TEXT
    said: list[Message] = redacted_value([*messages, answer])
    tools, named = redacted_value(trace.tools), trace.id != trace.where
    return LoggedRow(said, tools, trace.id, trace.at, place, corrected, named), ""


def _answer(trace: Trace) -> tuple[Message | None, bool, str]:
    """The answer to learn, whether people gave it, or why there is none."""
    told = [one.corrected for one in trace.feedback if one.corrected is not None]
    wanted = {normalise(text): text for text in told if text.strip()}
    if len(wanted) > 1:
        return None, False, DISAGREE
    if wanted:
        return {"role": "assistant", "content": next(iter(wanted.values()))}, True, ""

    thumbs = {one.good for one in trace.feedback if one.good is not None}
    if False in thumbs:
        return None, False, DISAGREE if True in thumbs else BAD
    if trace.finish_reason == "length":
        return None, False, CUT
    if trace.tool_calls:
        return {"role": "assistant", "content": trace.answer or None, "tool_calls": trace.tool_calls}, False, ""

    text = trace.answer or ""
    refuses = PATTERN.search(text[:OPENING].replace("’", "'")) is not None
    if trace.finish_reason == "content_filter" or refuses:
        return None, False, REFUSED
    return ({"role": "assistant", "content": text}, False, "") if text.strip() else (None, False, EMPTY)


def _plain(message: Message) -> Message | None:
    """The message with a text for its content; None where it holds an image or the like."""
    content = message.get("content")
    if isinstance(content, list):
        if any(not isinstance(part, dict) or not isinstance(part.get("text"), str) for part in content):
            return None
        content = text_of(message)
    kept = {key: message[key] for key in KEPT_KEYS if message.get(key) is not None} | {"content": content}
    return kept | ({"tool_calls": message["tool_calls"]} if message.get("tool_calls") else {})


def _look_at_repeats(rows: Sequence[LoggedRow], found: LoggedRows) -> None:
    """What the big model answered to prompts that came more than once; what people wanted is no answer of its."""
    answers: dict[str, list[LoggedRow]] = defaultdict(list)
    for row in rows:
        if not row.corrected:
            answers[_asked(row)].append(row)

    shares = []
    for asked in answers.values():
        if len(asked) < 2:
            continue
        texts = Counter(_answered(row) for row in asked)
        pairs = len(asked) * (len(asked) - 1)
        shares.append(sum(number * (number - 1) for number in texts.values()) / pairs)
        if len(texts) > 1:
            found.contradicted += 1
            if len(found.contradictions) < SHOWN:
                found.contradictions.append(_shown(asked))
    found.repeated = len(shares)
    found.same_answer = sum(shares) / len(shares) if shares else None


def _shown(asked: Sequence[LoggedRow]) -> dict[str, Any]:
    texts = list(dict.fromkeys(text_of(row.messages[-1]) or json.dumps(row.messages[-1]) for row in asked))
    return {"prompt": text_of(asked[0].messages[-2]), "answers": texts, "traces": [row.trace for row in asked]}


def _longest(rows: Sequence[LoggedRow], left_out: Counter[str]) -> list[LoggedRow]:
    """Without those that a longer request holds, answer and all: its row teaches both. A corrected answer stays,
    because the conversation went on after the one that was given."""
    held = set()
    for row in rows:
        for place, message in enumerate(row.messages[:-1]):
            if message["role"] == "assistant":
                held.add(_digest(row.messages[: place + 1]))

    kept = [row for row in rows if row.corrected or _digest(row.messages) not in held]
    left_out[LONGER] += len(rows) - len(kept)
    return kept


def _last_of_each(rows: Sequence[LoggedRow], left_out: Counter[str]) -> list[LoggedRow]:
    """Of rows that ask and answer the same the last, and of those that ask the same where people corrected one, that
    one."""
    corrected = {_asked(row) for row in rows if row.corrected}
    last: dict[tuple[str, str], LoggedRow] = {}
    for row in rows:
        asked = _asked(row)
        if row.corrected or asked not in corrected:
            last[asked, _answered(row)] = row
    kept = {id(row) for row in last.values()}
    left_out[REPEATED] += len(rows) - len(kept)
    return [row for row in rows if id(row) in kept]


def _asked(row: LoggedRow) -> str:
    """Equal for prompts that are the same but for case, spaces and what a template's dates and names are."""
    said = []
    for message in row.messages[:-1]:
        text = text_of(message)
        text = masked(text) if message["role"] in INSTRUCTS else normalise(text)
        said.append([message["role"], text, json.dumps(message.get("tool_calls"), sort_keys=True)])
    return json.dumps(said)


def _answered(row: LoggedRow) -> str:
    answer = row.messages[-1]
    calls = [call.get("function") for call in answer.get("tool_calls") or []]
    return json.dumps([normalise(text_of(answer)), calls], sort_keys=True)


def _digest(messages: Sequence[Message]) -> bytes:
    plain = [{key: value for key, value in message.items() if key != "tool_calls"} for message in messages]
    calls = [[call.get("function") for call in message.get("tool_calls") or []] for message in messages]
    return hashlib.blake2b(json.dumps([plain, calls], sort_keys=True).encode(), digest_size=16).digest()


def without(rows: LoggedRows, kept: Sequence[LoggedRow], why: str) -> LoggedRows:
    """The same with these rows alone, and the rest counted."""
    left_out = rows.left_out + Counter({why: len(rows.rows) - len(kept)})
    return replace(rows, rows=list(kept), left_out=left_out)
