"""Answers in the shape of OpenAI's responses, whole and as the events that its client needs."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from whet.server.database.identifiers import new_id
from whet.server.inference.answers import Token, WholeAnswer, whole_answers
from whet.server.inference.asked import Asked
from whet.server.inference.responses_body import ResponseBody
from whet.server.inference.streaming import Event
from whet.server.inference.words.tools import MadeCall

Item = dict[str, Any]
STEPS = ("in_progress", "searching", "completed")
"""Of a search."""


@dataclass(slots=True)
class ResponseShape:
    """Of one request."""

    asked: Asked
    body: ResponseBody
    id: str = field(default_factory=lambda: new_id("resp_"))
    message_id: str = field(default_factory=lambda: new_id("msg_"))
    created: float = field(default_factory=time.time)
    sent: int = 0
    """Events so far."""

    async def whole(self) -> dict[str, Any]:
        async with aclosing(self.asked.answers()) as stream:
            (answer,) = await whole_answers(stream, 1)
        return self._ended(answer, self._output(answer))

    async def events(self) -> AsyncGenerator[Event]:
        answer = WholeAnswer()
        begun = False
        async with aclosing(self.asked.answers()) as stream:
            async for piece in stream:
                if not self.sent:
                    for kind in ("response.created", "response.in_progress"):
                        yield self._event(kind, response=self._response("in_progress", []))
                    for event in self._searched():
                        yield event
                answer.add(piece)
                if piece.text and not begun:
                    begun = True
                    message = self._message("", [], "in_progress") | {"content": []}
                    yield self._event("response.output_item.added", output_index=self.first, item=message)
                    yield self._part("response.content_part.added", "", [])
                if piece.text:
                    yield self._text("response.output_text.delta", piece.tokens, delta=piece.text)

        output = self._output(answer)
        for number, item in enumerate(output[self.first :], start=self.first):
            for event in self._closing(number, item, answer, begun):
                yield event
        ended = self._ended(answer, output)
        yield self._event(f"response.{ended['status']}", response=ended)

    def _closing(self, number: int, item: Item, answer: WholeAnswer, begun: bool) -> list[Event]:
        if item["type"] == "message":
            if not begun:
                return [self._event("response.output_item.added", output_index=number, item=item | {"content": []})]
            return [
                *self._cited(item["content"][0]["annotations"]),
                self._text("response.output_text.done", answer.tokens, text=answer.text),
                self._part("response.content_part.done", answer.text, answer.tokens),
                self._event("response.output_item.done", output_index=number, item=item),
            ]

        place = {"output_index": number, "item_id": item["id"]}
        arguments = item["arguments"]
        return [
            self._event(
                "response.output_item.added",
                output_index=number,
                item=item | {"arguments": "", "status": "in_progress"},
            ),
            self._event("response.function_call_arguments.delta", delta=arguments, **place),
            self._event("response.function_call_arguments.done", arguments=arguments, name=item["name"], **place),
            self._event("response.output_item.done", output_index=number, item=item),
        ]

    def _output(self, answer: WholeAnswer) -> list[Item]:
        searched = [self.asked.sources.search_call()] if self.asked.sources else []
        calls = [_call_item(call) for call in answer.calls]
        if answer.text or not calls:
            status = "incomplete" if answer.end == "length" else "completed"
            return [*searched, self._message(answer.text, answer.tokens, status), *calls]
        return [*searched, *calls]

    @property
    def first(self) -> int:
        """The place of the answer in the output: behind the search, where there was one."""
        return int(self.asked.sources is not None)

    def _searched(self) -> list[Event]:
        """Documents were searched before the first token: what a client hears of it."""
        if self.asked.sources is None:
            return []
        item = self.asked.sources.search_call()
        begun = item | {"status": "in_progress", "queries": [], "results": None}
        place = {"output_index": 0, "item_id": item["id"]}
        return [
            self._event("response.output_item.added", output_index=0, item=begun),
            *[self._event(f"response.file_search_call.{step}", **place) for step in STEPS],
            self._event("response.output_item.done", output_index=0, item=item),
        ]

    def _cited(self, annotations: Sequence[Item]) -> list[Event]:
        place = {"item_id": self.message_id, "output_index": self.first, "content_index": 0}
        kind = "response.output_text.annotation.added"
        return [
            self._event(kind, annotation_index=number, annotation=annotation, **place)
            for number, annotation in enumerate(annotations)
        ]

    def _message(self, text: str, tokens: Sequence[Token], status: str) -> Item:
        return {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [self._content(text, tokens)],
        }

    def _content(self, text: str, tokens: Sequence[Token]) -> Item:
        cited = self.asked.sources.citations(text) if self.asked.sources else []
        return {"type": "output_text", "text": text, "annotations": cited, "logprobs": self._logprobs(tokens)}

    def _logprobs(self, tokens: Sequence[Token]) -> list[dict[str, Any]]:
        if not self.body.top_logprobs:
            return []
        return [self.asked.entry(token) for token in tokens]

    def _text(self, kind: str, tokens: Sequence[Token], **text: str) -> Event:
        return self._event(
            kind,
            item_id=self.message_id,
            output_index=self.first,
            content_index=0,
            logprobs=self._logprobs(tokens),
            **text,
        )

    def _part(self, kind: str, text: str, tokens: Sequence[Token]) -> Event:
        part = self._content(text, tokens)
        return self._event(kind, item_id=self.message_id, output_index=self.first, content_index=0, part=part)

    def _event(self, kind: str, **facts: Any) -> Event:
        self.sent += 1
        return kind, {"type": kind, "sequence_number": self.sent - 1, **facts}

    def _ended(self, answer: WholeAnswer, output: list[Item]) -> dict[str, Any]:
        status = "incomplete" if answer.end == "length" else "completed"
        counted = self.asked.usage(answer.written)
        usage = {
            "input_tokens": counted["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": counted["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": counted["total_tokens"],
        }
        why = {"reason": "max_output_tokens"} if status == "incomplete" else None
        made = self._response(status, output) | {"usage": usage, "incomplete_details": why}
        if self.asked.sources:
            made |= {"passages": self.asked.sources.passages(), "grounding": self.asked.sources.grounding(answer.text)}
        return made

    def _response(self, status: str, output: list[Item]) -> dict[str, Any]:
        body = self.body
        given = body.text.format if body.text else None
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "model": self.asked.name,
            "output": output,
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": 1.0 if body.temperature is None else body.temperature,
            "text": {"format": given.model_dump(by_alias=True, exclude_none=True) if given else {"type": "text"}},
            "tool_choice": body.tool_choice or "auto",
            "tools": [_tool(tool) for tool in body.tools or []],
            "top_logprobs": body.top_logprobs,
            "top_p": 1.0 if body.top_p is None else body.top_p,
            "truncation": "disabled",
            "usage": None,
            "metadata": (body.model_extra or {}).get("metadata") or {},
        }


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") == "file_search":
        return tool
    return {"strict": None, "parameters": None} | tool


def _call_item(call: MadeCall) -> Item:
    return {
        "id": new_id("fc_"),
        "type": "function_call",
        "call_id": new_id("call_"),
        "name": call.name,
        "arguments": call.arguments,
        "status": "completed",
    }
