"""The body of a request to /v1/responses, as the conversation that it means: a thin part of OpenAI's newer API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from whet.server.errors import ApiError, unsupported
from whet.server.inference.bodies import NOT_HERE, Body, ResponseFormat, StreamOptions, WholeBody, refuse_unknown
from whet.server.inference.conversation import ChatBody

NOT_KEPT = "this service keeps no answers: send the whole conversation as input."
REFUSED = {
    "previous_response_id": NOT_KEPT,
    "conversation": NOT_KEPT,
    "background": "answers are not kept; ask without it.",
    "prompt": "there are no stored prompts.",
    "reasoning": "no model here has levels of effort; leave it out.",
    "max_tool_calls": NOT_HERE,
    "context_management": NOT_HERE,
    "moderation": "ask /v1/moderations.",
    "image": "this service reads and writes text.",
    "n": "a response has one answer; /v1/chat/completions gives several.",
    "messages": "send them as input.",
    "max_tokens": "send max_output_tokens.",
    "response_format": "send text.format.",
    "stop": "responses have none; /v1/chat/completions takes it.",
}
RESULTS = "file_search_call.results"
ANSWERS = ("user", "assistant", "system", "developer")


class TextFormat(Body):
    """As response_format, with the schema beside the type."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextConfig(Body):
    format: TextFormat | None = None


class ResponseBody(WholeBody):
    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def as_chat(self) -> ChatBody:
        """Raises ApiError."""
        refuse_unknown(self, REFUSED)
        if set(self.include or ()) - {RESULTS}:
            raise unsupported("include", f"only {RESULTS!r} is known, which is always there.")
        if self.truncation == "auto":
            raise unsupported("truncation", "a conversation that is too long is refused, not shortened.")
        return ChatBody.model_validate(
            {
                "model": self.model,
                "messages": self._messages(),
                "temperature": self.temperature,
                "top_p": self.top_p,
                "seed": self.seed,
                "max_completion_tokens": self.max_output_tokens,
                "logprobs": bool(self.top_logprobs) or None,
                "top_logprobs": self.top_logprobs,
                "tools": [_tool(tool, number) for number, tool in self._functions()] or None,
                "tool_choice": self.tool_choice,
                "parallel_tool_calls": self.parallel_tool_calls,
                "response_format": self._format(),
            }
        )

    def _functions(self) -> list[tuple[int, dict[str, Any]]]:
        """The tools that the model calls, with their places; files are searched before it is asked."""
        return [(n, tool) for n, tool in enumerate(self.tools or []) if tool.get("type") != "file_search"]

    def _messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        if self.instructions:
            messages.append({"role": "system", "content": self.instructions})
        if isinstance(self.input, str):
            return [*messages, {"role": "user", "content": self.input}]
        for number, item in enumerate(self.input):
            _take_in(messages, item, f"input.{number}")
        return messages

    def _format(self) -> ResponseFormat | None:
        given = self.text.format if self.text else None
        if self.text:
            refuse_unknown(self.text, {"verbosity": "no model here has levels of it; leave it out."})
        if given is None or given.type == "text":
            return None
        refuse_unknown(given, {})
        schema = {"name": given.name or "answer", "schema": given.schema_, "strict": given.strict}
        return ResponseFormat.model_validate(
            {"type": given.type, "json_schema": schema if given.type == "json_schema" else None}
        )


def _take_in(messages: list[dict[str, Any]], item: dict[str, Any], where: str) -> None:
    """An item of the input: a message, a call, or what a call gave."""
    kind = item.get("type") or ("message" if "role" in item else None)
    if kind == "message" and item.get("role") in ANSWERS:
        messages.append({"role": item["role"], "content": item.get("content")})
    elif kind == "function_call":
        call = {
            "id": item.get("call_id"),
            "type": "function",
            "function": {"name": item.get("name"), "arguments": item.get("arguments", "{}")},
        }
        last = messages[-1] if messages else {}
        if last.get("role") == "assistant":
            last.setdefault("tool_calls", []).append(call)
        else:
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    elif kind == "file_search_call":
        return  # an earlier search, which an answer was given to rest on: each question is looked up by itself
    elif kind == "function_call_output":
        messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")})
    elif kind is None:
        raise ApiError(400, f"{where} has no type and no role.", code="invalid_value", param=where)
    else:
        what = f"items of the type {kind!r} are not; messages, function_call and function_call_output are."
        raise unsupported(where, what)


def _tool(tool: dict[str, Any], number: int) -> dict[str, Any]:
    """Tools of responses have the function's keys beside the type."""
    if tool.get("type") != "function":
        kind = tool.get("type")
        raise unsupported(f"tools.{number}.type", f"tools are functions and file_search here, not {kind!r}.")
    function = {key: value for key, value in tool.items() if key != "type" and value is not None}
    return {"type": "function", "function": function}
