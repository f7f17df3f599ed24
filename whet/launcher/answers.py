"""Base and tuned model at a service are asked over chat completions: greedily, some at a time, and nothing twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from whet.data.read.strict_json import parse
from whet.errors import DataError
from whet.evaluation.prompts import FittedPrompts
from whet.evaluation.transcript import Transcript, key_of
from whet.generation.chat_client import ChatClient, tokens_used
from whet.launcher.rows_to_send import question
from whet.model_server import ANOTHER_SERVER, BadResponse
from whet.observer import Count
from whet.types import Completion, Message, Row, written_call

TOGETHER = 8
"""Requests at once."""
Question = tuple[list[Message], list[dict[str, Any]] | None]
"""A prompt, and the tools that it offers."""


@dataclass(frozen=True, slots=True)
class RemoteModel:
    side: str
    client: ChatClient
    transcript: Transcript
    said_to_be: set[str] = field(default_factory=set)
    """Names of the models that have answered, as the service says."""

    def answer_rows(self, rows: Sequence[Row], tokens: int, done: Count) -> list[Completion]:
        return self.answers([(question(row.prompt, row.where), row.tools) for row in rows], tokens, done)

    def answer_prompts(self, prompts: FittedPrompts, tokens: int, done: Count) -> list[Completion]:
        return self.answers([(question(messages), None) for messages in prompts.messages], tokens, done)

    def answers(self, questions: Sequence[Question], tokens: int, done: Count) -> list[Completion]:
        """In the order of the questions. Raises InputError, RunError; answers that are there by then are kept."""
        who = f"{self.client.url} {self.client.model}"
        keys = [key_of(who, list(asked), tokens) for asked in questions]
        missing = {key: asked for key, asked in zip(keys, questions, strict=True) if key not in self.transcript}
        number = len(keys) - len(missing)
        done(number)

        with ThreadPoolExecutor(TOGETHER) as pool:
            waiting = {pool.submit(self._ask, asked, tokens): key for key, asked in missing.items()}
            try:
                for future in as_completed(waiting):
                    self.transcript.add(self.side, {waiting[future]: future.result()})
                    number += 1
                    done(min(number, len(keys)))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

        return [self.transcript[key] for key in keys]

    def _ask(self, asked: Question, tokens: int) -> Completion:
        messages, tools = asked
        body: dict[str, Any] = {
            "model": self.client.model,
            "messages": messages,
            "max_tokens": tokens,
            "temperature": 0,
        }
        if tools:
            body["tools"] = tools
        began = time.perf_counter()
        answer = self.client.post("/chat/completions", body)
        completion = read_answer(answer, self.client.url)
        completion.seconds = time.perf_counter() - began
        if isinstance(answer.get("model"), str):
            self.said_to_be.add(answer["model"])
        return completion


def read_answer(answer: Any, url: str) -> Completion:
    """Words and calls as one text, as a chat template writes them. Raises BadResponse."""
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        content, calls = message.get("content"), message.get("tool_calls") or []
        texts = [content] if content else []
        texts += [written_call(_read_call(call)) for call in calls]
        finished = choice.get("finish_reason") != "length"
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        what = "the service's answer holds no message"
        raise BadResponse(what, where=url, value=answer, fix=ANOTHER_SERVER) from error
    if not all(isinstance(text, str) for text in texts):
        raise BadResponse("the service's message holds no text", where=url, value=choice, fix=ANOTHER_SERVER)

    counted = tokens_used(answer.get("usage"))
    read, written = counted or (0, 0)
    text = "\n".join(texts)
    return Completion(text, finished, prompt_tokens=read, answer_tokens=written, estimated=counted is None)


def _read_call(call: dict[str, Any]) -> dict[str, Any]:
    """With the arguments as an object, where they are one."""
    function = call["function"]
    arguments = function.get("arguments") or "{}"
    try:
        read = parse(arguments, "", 1) if isinstance(arguments, str) else arguments
    except DataError:
        read = arguments
    return {"function": {"name": function["name"], "arguments": read}}
