"""A chat model behind any OpenAI-compatible URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whet.model_server import ANOTHER_SERVER, BadResponse, ModelServer
from whet.types import Completion, Message


@dataclass(slots=True)
class ChatClient(ModelServer):
    """What a server's model says to a conversation."""

    def chat(self, messages: Sequence[Message], max_tokens: int, temperature: float = 0.0) -> str:
        """The answer's text. Raises as `reply` does."""
        return self.reply(messages, max_tokens, temperature).text

    def reply(self, messages: Sequence[Message], max_tokens: int, temperature: float = 0.0) -> Completion:
        """The answer with what the server says of it; if it did not count the tokens, 0 of them and `estimated`.

        Raises InputError for a key that is not set or a refused request, RunError where the server stays away,
        BadResponse where it answers in another form.
        """
        body = {"model": self.model, "messages": list(messages), "max_tokens": max_tokens, "temperature": temperature}
        response = self.post("/chat/completions", body)
        try:
            choice = response["choices"][0]
            content = choice["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            what = "the server's answer holds no message"
            raise BadResponse(what, where=self.url, value=response, fix=ANOTHER_SERVER) from error

        if not isinstance(content, str):
            raise BadResponse("the server's message holds no text", where=self.url, value=choice, fix=ANOTHER_SERVER)

        counted = tokens_used(response.get("usage"))
        read, written = counted or (0, 0)
        finished = choice.get("finish_reason") != "length"
        return Completion(content, finished, prompt_tokens=read, answer_tokens=written, estimated=counted is None)


def tokens_used(usage: Any) -> tuple[int, int] | None:
    """(prompt tokens, answer tokens) of a server's usage, where it makes sense."""
    if not isinstance(usage, dict):
        return None
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if isinstance(read, int) and isinstance(written, int) and read >= 0 and written >= 0:
        return read, written
    return None
