"""A server behind a URL that speaks OpenAI's API: vLLM, llama.cpp's server, or anything that does.

Ids come from `/tokenize` beside /v1, log-probabilities from `/completions` with `echo` and `logprobs`, greedy answers
from the same with the ids of the prompt. What a server has not got is left untold, and the proof says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whet.errors import InputError, ModelError, RunError, nearest
from whet.generation.chat_client import ChatClient
from whet.release.consumers.protocol import UNTOLD, Scorer, Served, Written
from whet.types import Message

NAME = "url"


def missing() -> str | None:
    return None


def open_consumer(served: Served) -> Server:
    """Raises ModelError for a model that the server does not have, RunError where nobody answers."""
    remote = ChatClient(served.url, served.model, served.key or None, retries=1)
    names = [str(one.get("id")) for one in remote.post("/models", None).get("data", [])]
    if not served.model and names:
        remote.model = names[0]
    elif names and served.model not in names:
        what = f"the server does not serve {served.model!r}{nearest(served.model, names)}"
        raise ModelError(what, where=served.url, fix=f"it serves: {', '.join(names)}")

    return Server(remote, served.more.get("stop_ids", []), served.more.get("of_other_days", {}))


def open_scorer(served: Served) -> Scorer:
    """Raises ModelError: the API has no place for a head's numbers."""
    fix = "prove the export itself: whet prove FOLDER"
    raise ModelError("OpenAI's API gives no scores of a head", where=served.url, fix=fix)


class Server:
    """A Consumer behind a URL. A place that answers with a refusal once is not asked again. `of_other_days` are ids
    that the trained template writes today, with those of the day of the golden prompts (template_date.py)."""

    def __init__(
        self, remote: ChatClient, stop_ids: Sequence[int], of_other_days: Mapping[tuple[int, ...], list[int]]
    ) -> None:
        self.name, self.remote, self.stop_ids, self.of_other_days = NAME, remote, stop_ids, of_other_days
        self.lacks: set[str] = set()

    def render(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None) -> list[int] | None:
        asked = {"messages": list(messages), "add_generation_prompt": True}
        ids = self._tokens(asked | ({"tools": tools} if tools else {}))
        if ids is None:
            return None
        return self.of_other_days.get(tuple(ids), ids)

    def encode(self, text: str) -> list[int] | None:
        return self._tokens({"prompt": text})

    def logprobs(self, prompt_ids: list[int], answer_ids: list[int]) -> list[float] | None:
        asked = {"prompt": [*prompt_ids, *answer_ids], "max_tokens": 1, "echo": True, "logprobs": 1}
        found = self._asked("/completions", asked | {"temperature": 0}, "log-probabilities")

        try:
            told = found["choices"][0]["logprobs"]["token_logprobs"]
            values = [float(value) for value in told[len(prompt_ids) : len(prompt_ids) + len(answer_ids)]]
        except (KeyError, IndexError, TypeError):
            values = []

        if len(values) < len(answer_ids):
            self.lacks.add("log-probabilities")
            return None

        return values

    def greedy(self, prompt_ids: list[int], limit: int) -> Written | None:
        asked = {"prompt": prompt_ids, "max_tokens": limit, "temperature": 0, "return_token_ids": True}
        found = self.remote.post("/completions", {"model": self.remote.model} | asked)
        choice = found["choices"][0]

        ids = choice.get("token_ids")
        if ids is None:
            ids = self._tokens({"prompt": choice["text"], "add_special_tokens": False})
        if ids is None:
            return None
        if choice.get("finish_reason") == "length":
            return Written(list(ids), None)
        return ended(list(ids), choice.get("stop_reason"), self.stop_ids)

    def close(self) -> None:
        """Nothing is held between requests."""

    def _tokens(self, asked: dict[str, Any]) -> list[int] | None:
        found = self._asked("../tokenize", asked, "ids")
        if isinstance(found, dict):
            tokens = found.get("tokens")
        else:
            tokens = None
        if isinstance(tokens, list) and tokens:
            return [int(token) for token in tokens]
        return None

    def _asked(self, path: str, asked: dict[str, Any], what: str) -> Any:
        if what in self.lacks:
            return None
        try:
            return self.remote.post(path, {"model": self.remote.model} | asked)
        except (InputError, RunError):
            self.lacks.add(what)
            return None


def ended(ids: list[int], reason: object, stop_ids: Sequence[int]) -> Written:
    """`reason` is the stop token where the server says it. vLLM says none for the end token, and leaves the token that
    ended an answer among its ids."""
    if isinstance(reason, int):
        return Written(ids[:-1] if ids and ids[-1] == reason else ids, reason)
    if ids and ids[-1] in stop_ids:
        return Written(ids[:-1], ids[-1])
    return Written(ids, UNTOLD)
