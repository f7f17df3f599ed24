"""Tools: which there are, how the template writes a call, and which calls an answer makes.

Calls are read by the parser that evaluation reads them with (whet/evaluation/metrics/tool_calls.py), so that what was
measured is what is served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from whet.data.refused import RowRefused
from whet.data.rows.messages import clean_tools
from whet.evaluation.metrics.call_forms import Spelled, parsed
from whet.evaluation.metrics.tool_calls import TAGGED, calls_in
from whet.server.errors import ApiError, unsupported
from whet.server.inference.words.strict_calls import follows, strict_schemas
from whet.server.inference.words.wording import Wording

NAME = re.compile(r"[\w.:/-]{1,128}")
MARKS = ("<tool_call>", "<function=", "[TOOL_CALLS]", "<|tool_call_start|>", "<|python_start|>")
"""What a call begins with. An answer that begins with { or [ may be one, too."""
Mode = Literal["none", "auto", "required"]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """What a request says of tools."""

    tools: list[dict[str, Any]]
    mode: Mode
    only: str | None = None
    """The one that must be called."""
    parallel: bool = True
    strict: dict[str, Any] = field(default_factory=dict)
    """Schemas of tools whose calls must follow them."""

    @property
    def shown(self) -> list[dict[str, Any]] | None:
        """What the template sees: the same in all modes, as in training."""
        return self.tools or None

    @property
    def may_call(self) -> bool:
        return bool(self.tools) and self.mode != "none"

    @property
    def must_call(self) -> bool:
        return self.mode == "required"

    def callable(self) -> list[dict[str, Any]]:
        """Functions that may be called."""
        functions = [tool["function"] for tool in self.tools]
        return [one for one in functions if self.only in (None, one["name"])]


class MadeCall(NamedTuple):
    name: str
    arguments: str
    """JSON."""


def read_tools(tools: list[dict[str, Any]] | None, choice: Any, parallel: bool | None) -> ToolUse:
    """Raises ApiError."""
    for number, tool in enumerate(tools or []):
        _refuse_tool(tool, f"tools.{number}")
    names = [tool["function"]["name"] for tool in tools or []]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ApiError(400, f"tools: two have the name {twice!r}.", code="invalid_value", param="tools")

    mode, only = _choice(choice, names)
    return ToolUse(clean_tools(tools) or [], mode, only, parallel is not False, strict_schemas(tools))


def _refuse_tool(tool: dict[str, Any], where: str) -> None:
    if "input_schema" in tool:
        raise unsupported(where, "it has Anthropic's form; send {type: function, function: {name, parameters}}.")
    if tool.get("type") != "function":
        raise unsupported(f"{where}.type", f"tools are of the type 'function' here, not {tool.get('type')!r}.")
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ApiError(400, f"{where}.function needs a name.", code="invalid_value", param=f"{where}.function")
    if not NAME.fullmatch(function["name"]):
        what = f"{where}.function.name: use letters, digits, '_' and '-', at most 64."
        raise ApiError(400, what, code="invalid_value", param=f"{where}.function.name")
    parameters = function.get("parameters") or {}
    if not isinstance(parameters, dict) or not isinstance(parameters.get("properties") or {}, dict):
        what = f"{where}.function.parameters must be a JSON schema."
        raise ApiError(400, what, code="invalid_value", param=f"{where}.function.parameters")


def _choice(choice: Any, names: Sequence[str]) -> tuple[Mode, str | None]:
    if choice is None:
        return ("auto" if names else "none"), None
    if choice in ("none", "auto"):
        return choice, None
    if not names:
        raise ApiError(400, "tool_choice needs tools.", code="invalid_value", param="tool_choice")
    if choice == "required":
        return "required", None

    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "allowed_tools":
        raise unsupported("tool_choice", "send only the tools that may be called.")
    named = choice.get("function", choice) if kind == "function" else None
    if not isinstance(named, dict) or not isinstance(named.get("name"), str):
        what = "tool_choice must be none, auto, required, or {type: function, function: {name}}."
        raise ApiError(400, what, code="invalid_value", param="tool_choice")
    if named["name"] not in names:
        what = f"tool_choice: there is no tool {named['name']!r} in tools."
        raise ApiError(400, what, code="invalid_value", param="tool_choice")
    return "required", named["name"]


# ---- a call that must be made


PROBE = {"name": "probe_name", "arguments": {"probe_key": "probe_value"}}
PROBED = re.compile(
    r'\s*(?P<before>[^{}]*?)\{\s*"name":\s*"probe_name",\s*"(?P<key>arguments|parameters)":\s*\{[^{}]*\}\s*\}'
)
PROBE_TOOL = {"type": "function", "function": {"name": "probe_name", "parameters": {"type": "object"}}}


class CallForm(NamedTuple):
    beginning: str
    """What the model's template writes before the JSON of a call."""
    key: str
    """What it calls the arguments."""


def call_form(wording: Wording) -> CallForm:
    """How this template writes a call, where that is JSON; bare JSON otherwise, which is read as a call, too."""
    asked = [{"role": "user", "content": "probe"}]
    called = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": PROBE}]}
    try:
        with wording.turn:
            prompt = wording.renderer.prompt_text(asked, [PROBE_TOOL])
            whole = wording.renderer.prompt_text([*asked, called], [PROBE_TOOL])
    except RowRefused:
        return CallForm("", "arguments")
    match = PROBED.match(whole[len(prompt) :]) if whole.startswith(prompt) else None
    return CallForm(match["before"], match["key"]) if match else CallForm("", "arguments")


def call_schema(use: ToolUse, form: CallForm) -> dict[str, Any]:
    """The JSON schema of one call of a tool that may be called."""
    calls = []
    for function in use.callable():
        properties = {"name": {"const": function["name"]}, form.key: _arguments_schema(function)}
        calls.append(
            {
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            }
        )
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _arguments_schema(function: dict[str, Any]) -> dict[str, Any]:
    """Of a tool that names its arguments, no others: those would be allowed, and written again and again."""
    schema = {"type": "object"} | (function.get("parameters") or {})
    return {"additionalProperties": False} | schema if schema.get("properties") else schema


# ---- calls that were made


def read_calls(plain: str, with_control: str, use: ToolUse) -> list[MadeCall]:
    """The calls of an answer, given without and with its control tokens, which mark calls in some templates. None that
    no program could read, or that breaks a schema that is strict: then the answer is words."""
    calls = calls_in(plain) or calls_in(with_control) or []
    schemas = {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in use.tools}
    made = []
    for call in calls if use.parallel else calls[:1]:
        properties = schemas.get(call.name, {}).get("properties") or {}
        arguments = {key: _plain(value, properties.get(key)) for key, value in call.arguments.items()}
        if call.name in use.strict and not follows(arguments, use.strict[call.name]):
            return []
        made.append(MadeCall(call.name, json.dumps(arguments, ensure_ascii=False)))
    return made


def words_beside(plain: str) -> str:
    """What an answer says beside its calls."""
    if TAGGED.search(plain):
        return TAGGED.sub("", plain).rstrip()
    place = first_mark(plain)
    return "" if place is None else plain[:place].rstrip()


def _plain(value: Any, schema: Any) -> Any:
    """A value that was written without quotes is a text where the tool says so, or where it is nothing else."""
    if not isinstance(value, Spelled):
        return value
    wants_text = isinstance(schema, dict) and schema.get("type") == "string"
    read = None if wants_text else parsed(value.text.strip())
    return value.text if read is None and value.text.strip() != "null" else read


def first_mark(text: str) -> int | None:
    """Where calls begin; None where no mark of one is."""
    places = [place for mark in MARKS if (place := text.find(mark)) >= 0]
    if text.lstrip().startswith(("{", "[")):
        places.append(0)
    return min(places, default=None)


class CallWatch:
    """Lets words through, and holds back what may be a call until the answer has ended."""

    def __init__(self) -> None:
        self.text = ""
        self.let_out = 0

    def add(self, text: str) -> str:
        """The words that are settled now."""
        self.text += text
        place = first_mark(self.text)
        settled = len(self.text) if place is None else place
        if place is None:
            settled -= self._beginning()
        settled = len(self.text[:settled].rstrip())  # spaces before a call are not words

        words = self.text[self.let_out : settled]
        self.let_out = max(self.let_out, settled)
        return words

    def rest(self, calls: bool) -> str:
        """When the answer has ended: what is still to be said of it."""
        said = self.text[: self.let_out]
        whole = words_beside(self.text) if calls else self.text
        self.let_out = len(self.text)
        return whole[len(said) :] if whole.startswith(said) else ""

    def _beginning(self) -> int:
        longest = max(len(mark) for mark in MARKS) - 1
        for length in range(min(longest, len(self.text)), 0, -1):
            if any(mark.startswith(self.text[-length:]) for mark in MARKS):
                return length
        return 0
