"""A chat model behind any OpenAI-compatible URL: one request, sent again where that can help.

Only the standard library; nothing is read from the environment but the key that the caller names.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from whet.errors import InputError, RunError, shorten
from whet.types import Message

AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
"""Answers of a server after which the same request may succeed."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the second try, doubled each time; a server's own Retry-After goes first."""


@dataclass(slots=True)
class Remote:
    """`url` reaches as far as /v1. `key` is the name of the environment variable with the API key."""

    url: str
    model: str
    key: str | None = None
    seconds: float = 60.0
    retries: int = 4
    sleep: Callable[[float], None] = time.sleep

    def chat(self, messages: Sequence[Message], max_tokens: int, temperature: float = 0.0) -> str:
        """The answer's text. Raises InputError for a key that is not set or a refused request, RunError where the
        server stays away or answers in another form."""
        body = {"model": self.model, "messages": list(messages), "max_tokens": max_tokens, "temperature": temperature}
        found = self._sent(json.dumps(body).encode())
        try:
            content = found["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise RunError("the server's answer holds no message", where=self.url, value=found) from error
        if not isinstance(content, str):
            raise RunError("the server's message holds no text", where=self.url, value=content)
        return content

    def _sent(self, body: bytes) -> Any:
        for attempt in range(self.retries + 1):
            last = attempt == self.retries
            try:
                return self._once(body)
            except urllib.error.HTTPError as error:
                if error.code not in AGAIN or last:
                    raise self._refused(error, attempt) from error
                wait = _retry_after(error)
            except (OSError, http.client.HTTPException, ValueError) as error:  # timeouts and broken JSON, too
                if last:
                    what = f"the server cannot be reached, after {attempt + 1} tries: {error}"
                    raise RunError(what, where=self.url, fix="start it, or correct the URL; the run resumes") from error
                wait = None
            self.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2**attempt if wait is None else wait))
        raise AssertionError("the last try returns or raises")

    def _once(self, body: bytes) -> Any:
        request = urllib.request.Request(f"{self.url.rstrip('/')}/chat/completions", body, self._headers())
        with urllib.request.urlopen(request, timeout=self.seconds) as response:
            return json.loads(response.read())

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self.key:
            secret = os.environ.get(self.key)
            if not secret:
                what = "this environment variable, which is to hold the API key, is not set"
                raise InputError(what, where=self.key, fix=f"export {self.key}=...")
            headers["Authorization"] = f"Bearer {secret}"
        return headers

    def _refused(self, error: urllib.error.HTTPError, attempt: int) -> InputError | RunError:
        said = shorten(error.read().decode("utf-8", "replace"), 200)
        what = f"the server answers {error.code} {error.reason}: {said}"
        if error.code in AGAIN:
            return RunError(f"{what}, after {attempt + 1} tries", where=self.url, fix="try later; the run resumes")
        return InputError(what, where=self.url, fix="check the URL, the model's name and the key")


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    try:
        return max(0.0, float(error.headers.get("Retry-After", "")))
    except ValueError:
        return None
