"""Whether an answer calls the tools that the reference calls: names and arguments, in any order.

    <tool_call>{"name": ..., "arguments": {...}}</tool_call>     Hermes, Qwen, the bundled base; any number of them
    [TOOL_CALLS] [{"name": ..., "arguments": {...}}, ...]        Mistral, with or without its mark
    {"name": ..., "parameters": {...}}                           Llama 3: the whole answer is JSON

Further forms stand in `call_forms`. Arguments are compared as JSON values: 1 equals 1.0 and not "1", the order of keys
says nothing. A call that a program could not read (broken JSON, a repeated key, words around bare JSON) is none. JSON
without a mark is a call only if it has arguments or parameters: {"name": "Bob", "age": 3} is an answer. Words beside
calls are free.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from whet.evaluation.metrics.call_forms import Call, in_elements, in_python, keyed, parsed, parted, same_arguments
from whet.types import Message, Row

TAGGED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
MISTRAL = re.compile(r"\A\s*(?:\[TOOL_CALLS\])?\s*(?=\[)")
ARGUMENTS = {"arguments", "parameters"}


def calls_of(row: Row) -> list[Call]:
    """The calls of the row's last turn."""
    if row.messages:
        return calls_made(row.messages[-1])
    return []


def calls_made(message: Message) -> list[Call]:
    """The calls of a turn."""
    found = [_read(call.get("function", call)) for call in message.get("tool_calls") or [] if isinstance(call, dict)]
    return [call for call in found if call is not None]


def calls_in(answer: str) -> list[Call] | None:
    """The calls that an answer makes, in its order; None where it tries to and no program could read it."""
    tagged = [_tagged(text) for text in TAGGED.findall(answer)]
    if tagged:
        if None in tagged:
            return None
        return [call for calls in tagged for call in calls or []]
    if "<function=" in answer:
        return in_elements(answer)
    if "[ARGS]" in answer and "[TOOL_CALLS]" in answer:
        return parted(answer)
    return _bare(answer)


def _tagged(text: str) -> list[Call] | None:
    """The calls between a pair of `<tool_call>`; None where they cannot be read."""
    call = _read(parsed(text)) or keyed(text)
    if call is not None:
        return [call]
    return in_elements(text) or None


def _bare(answer: str) -> list[Call] | None:
    """The calls of an answer that is JSON, or a list of Python, and nothing else."""
    value = parsed(MISTRAL.sub("", answer, count=1))
    marked = "[TOOL_CALLS]" in answer

    if value is None:
        return None if marked else in_python(answer)

    if isinstance(value, list):
        found = value
    else:
        found = [value]

    if not all(isinstance(one, dict) and "name" in one and (marked or ARGUMENTS & one.keys()) for one in found):
        return []  # JSON, but of something else

    calls = [_read(one) for one in found]
    if None in calls:
        return None
    return [call for call in calls if call is not None]


def compare_calls(wanted: Sequence[Call], answer: str) -> tuple[float, dict[str, Any]]:
    """(1.0 where the answer makes the same calls, else 0.0; details: names, called, readable)."""
    given = calls_in(answer)
    names = Counter(call.name for call in wanted)
    details = {
        "names": given is not None and names == Counter(call.name for call in given),
        "called": bool(given),
        "readable": given is not None,
    }

    return float(given is not None and _same(wanted, given)), details


def summarise_calls(details: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Shares of the answers: with the right names, with a call at all, that a program can read."""
    return {key: sum(one[key] for one in details) / len(details) for key in ("names", "called", "readable")}


def _same(wanted: Sequence[Call], given: Sequence[Call]) -> bool:
    """Each wanted call once, and no other. A value without quotes may equal several, so that a pair once made may have
    to make way for another (Kuhn's matching)."""
    if len(wanted) != len(given):
        return False

    equal = [
        [n for n, one in enumerate(given) if one.name == call.name and same_arguments(one.arguments, call.arguments)]
        for call in wanted
    ]
    taken: dict[int, int] = {}

    def placed(call: int, tried: set[int]) -> bool:
        for n in equal[call]:
            if n not in tried:
                tried.add(n)
                if n not in taken or placed(taken[n], tried):
                    taken[n] = call
                    return True
        return False

    return all(placed(call, set()) for call in range(len(wanted)))


def _read(value: Any) -> Call | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        if arguments.strip():
            arguments = parsed(arguments)
        else:
            arguments = {}

    if isinstance(arguments, dict):
        return Call(value["name"], arguments)
    return None
