"""Calls of tools that are not written as one JSON object: as elements, as Python, and with a mark for each part.

    <function=NAME><parameter=KEY>VALUE</parameter></function>           Qwen3-Coder, Hermes; within <tool_call> or not
    <function=NAME>{"KEY": VALUE}</function>                             Llama 3.1
    NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value>               GLM 4.5, within <tool_call>
    [NAME(KEY=VALUE), ...]                                               Llama 3.2 and 4, LFM2: the whole answer
    [TOOL_CALLS]NAME[ARGS]{"KEY": VALUE}                                 Mistral since its tokenizer v11

A value within elements has no quotes, so that 2 may be a number or a text: it is `Spelled`, and equals both.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from dataclasses import dataclass
from typing import Any

from whet.rewards.json_match import refuse_constant, same, unique_keys

FUNCTION = re.compile(r"<function=([^<>\s]+)>(.*?)(?:</function>|\Z)", re.DOTALL)
PARAMETER = re.compile(r"\s*<parameter=([^<>\s]+)>(.*?)</parameter>", re.DOTALL)
KEYED = re.compile(r"\s*<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
NAMED = re.compile(r"\s*([\w.:-]+)\s*")
PARTED = re.compile(r"\s*([^\[\]\s]+)\s*(?:\[CALL_ID\]\s*[^\[\]\s]+\s*)?\[ARGS\](.*)", re.DOTALL)
PYTHON = re.compile(r"\A\s*(?:<\|(?:python_start|tool_call_start)\|>)?\s*(\[.*\])\s*(?:<\|[a-z_]+\|>)?\s*\Z", re.DOTALL)
WORDS = {"true": True, "false": False, "null": None}
LONGEST_PYTHON = 100_000
"""Characters: a longer text is no call, and is not given to Python's parser."""


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: Any
    """JSON; a value may be `Spelled`."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """A value without quotes: its text as it is written."""

    text: str

    def equals(self, wanted: Any) -> bool:
        """Whether `wanted` is this text, or is written so in JSON or in Python."""
        bare = self.text.strip()
        if isinstance(wanted, str):
            return wanted == self.text or wanted.strip() == bare
        if wanted is None or isinstance(wanted, bool):
            return bare in (json.dumps(wanted), str(wanted))
        value = parsed(bare)
        return value is not None and same(value, wanted)


def same_arguments(given: Any, wanted: Any) -> bool:
    if not (isinstance(given, dict) and isinstance(wanted, dict)):
        return same(given, wanted)
    if given.keys() != wanted.keys():
        return False
    return all(_same_value(value, wanted[key]) for key, value in given.items())


def _same_value(given: Any, wanted: Any) -> bool:
    if isinstance(given, Spelled):
        return given.equals(wanted)
    return same(given, wanted)


def in_elements(text: str) -> list[Call] | None:
    """The calls written as `<function=...>`; None if one of them is broken. Words around them are free."""
    calls = []
    for match in FUNCTION.finditer(text):
        call = _in_function(*match.groups())
        if call is None:
            return None
        calls.append(call)

    if text.count("<function=") != len(calls):
        return None
    return calls


def _in_function(name: str, inside: str) -> Call | None:
    if inside.strip().startswith("{"):
        value = parsed(inside)
        if isinstance(value, dict):
            return Call(name, value)
        return None
    return _spelled(name, inside, PARAMETER)


def keyed(text: str) -> Call | None:
    """A call as GLM writes it, without its `<tool_call>`; None if it is none."""
    name = NAMED.match(text)
    if name:
        return _spelled(name[1], text[name.end() :], KEYED)
    return None


def _spelled(name: str, inside: str, pair: re.Pattern[str]) -> Call | None:
    """The call with the pairs that `inside` is made of; None if there is anything else, or a key twice."""
    arguments: dict[str, Spelled] = {}
    at = 0
    while match := pair.match(inside, at):
        key = match[1].strip()
        if key in arguments:
            return None
        arguments[key] = Spelled(_without_line_ends(match[2]))
        at = match.end()

    if inside[at:].strip():
        return None
    return Call(name, arguments)


def _without_line_ends(value: str) -> str:
    """A template may set a value on lines of its own: one line end before and after is not part of it."""
    return value.removeprefix("\n").removesuffix("\n")


def parted(answer: str) -> list[Call] | None:
    """The calls after `[TOOL_CALLS]` with `[ARGS]`; None if one of them is broken."""
    calls: list[Call] = []
    for piece in answer.split("[TOOL_CALLS]")[1:]:
        match = PARTED.fullmatch(piece)
        if match is None:
            return None
        value = parsed(match[2])
        if not isinstance(value, dict):
            return None
        calls.append(Call(match[1], value))

    return calls


def in_python(answer: str) -> list[Call]:
    """The calls of an answer that is a list of Python calls with named literals, and nothing else; empty if it is
    something else."""
    if len(answer) > LONGEST_PYTHON:
        return []
    match = PYTHON.match(answer)
    if not match:
        return []

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python may read otherwise one day
            tree = ast.parse(match[1].strip(), mode="eval").body

        if isinstance(tree, ast.List):
            return [_python_call(element) for element in tree.elts]
        return []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _python_call(node: ast.expr) -> Call:
    """Raises ValueError for what is no call, or has an argument without a name or that is no literal."""
    if not isinstance(node, ast.Call) or node.args:
        raise ValueError("no call with named arguments")

    arguments = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError("no call with named arguments")
        arguments[keyword.arg] = _literal(keyword.value)

    return Call(_dotted(node.func), arguments)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError("no name")


def _literal(node: ast.expr) -> Any:
    """A value of JSON, written in Python or in JSON. Raises ValueError for anything else, such as a set."""
    if isinstance(node, ast.Name) and node.id in WORDS:
        return WORDS[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(element) for element in node.elts]
    if isinstance(node, ast.Dict):
        keys = [ast.literal_eval(key) if key else None for key in node.keys]
        if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
            raise ValueError("keys are texts, each once")
        return {str(key): _literal(value) for key, value in zip(keys, node.values, strict=True)}

    value = ast.literal_eval(node)
    if value is not None and not isinstance(value, str | bool | int | float):
        raise ValueError("no value of JSON")
    return value


def parsed(text: str) -> Any:
    """JSON as a program reads it; None for what is none."""
    try:
        return json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        return None
