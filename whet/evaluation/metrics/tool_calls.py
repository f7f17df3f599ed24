"""Whether an answer calls the tools that the reference calls: names and arguments, in any order.

    <tool_call>{"name": ..., "arguments": {...}}</tool_call>     Hermes, Qwen, the bundled base; any number of them
    [TOOL_CALLS] [{"name": ..., "arguments": {...}}, ...]        Mistral, with or without its mark
    {"name": ..., "parameters": {...}}                           Llama 3: the whole answer is JSON

More forms are in `call_forms`. Arguments are compared as JSON values: 1 equals 1.0 and not "1", the order of keys does
not matter. A call that a program could not read (broken JSON, a repeated key, words around bare JSON) is none. JSON
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
    calls = []
    for value in message.get("tool_calls") or []:
        if isinstance(value, dict):
            call = _read(value.get("function", value))
            if call is not None:
                calls.append(call)
    return calls


def calls_in(answer: str) -> list[Call] | None:
    """The calls that an answer makes, in its order; None if it tries to and no program could read them."""
    tagged = TAGGED.findall(answer)
    if tagged:
        return _all_tagged(tagged)
    if "<function=" in answer:
        return in_elements(answer)
    if "[ARGS]" in answer and "[TOOL_CALLS]" in answer:
        return parted(answer)
    return _bare(answer)


def _all_tagged(texts: Sequence[str]) -> list[Call] | None:
    calls: list[Call] = []
    for text in texts:
        read = _tagged(text)
        if read is None:
            return None
        calls += read
    return calls


def _tagged(text: str) -> list[Call] | None:
    """The calls between a pair of `<tool_call>`; None if they cannot be read."""
    call = _read(parsed(text)) or keyed(text)
    if call is not None:
        return [call]
    return in_elements(text) or None


def _bare(answer: str) -> list[Call] | None:
    """The calls of an answer that is JSON, or a list of Python, and nothing else."""
    value = parsed(MISTRAL.sub("", answer, count=1))
    marked = "[TOOL_CALLS]" in answer

    if value is None:
        if marked:
            return None
        return in_python(answer)

    values = value
    if not isinstance(value, list):
        values = [value]
    if not all(_looks_like_call(each, marked) for each in values):
        return []  # JSON, but of something else

    calls = []
    for each in values:
        call = _read(each)
        if call is None:
            return None
        calls.append(call)
    return calls


def _looks_like_call(value: Any, marked: bool) -> bool:
    """`marked`: the answer says that calls follow, so that none needs arguments to be known as one."""
    return isinstance(value, dict) and "name" in value and (marked or bool(ARGUMENTS & value.keys()))


def compare_calls(wanted: Sequence[Call], answer: str) -> tuple[float, dict[str, Any]]:
    """(1.0 if the answer makes the same calls, else 0.0; details: names, called, readable)."""
    given = calls_in(answer)
    if given is None:
        return 0.0, {"names": False, "called": False, "readable": False}

    details = {"names": _names(wanted) == _names(given), "called": bool(given), "readable": True}
    return float(_same(wanted, given)), details


def _names(calls: Sequence[Call]) -> Counter[str]:
    return Counter(call.name for call in calls)


def summarise_calls(details: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Shares of the answers: with the right names, with a call at all, that a program can read."""
    shares = {}
    for key in ("names", "called", "readable"):
        shares[key] = sum(answer[key] for answer in details) / len(details)
    return shares


def _same(wanted: Sequence[Call], given: Sequence[Call]) -> bool:
    """Each wanted call once, and no other. A value without quotes may equal several, so that a pair once made may have
    to make way for another one (Kuhn's matching)."""
    if len(wanted) != len(given):
        return False

    equal = [_equal_places(call, given) for call in wanted]
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


def _equal_places(wanted: Call, given: Sequence[Call]) -> list[int]:
    """Places of the given calls that equal the wanted one."""
    places = []
    for n, call in enumerate(given):
        if call.name == wanted.name and same_arguments(call.arguments, wanted.arguments):
            places.append(n)
    return places


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
