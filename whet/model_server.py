"""A model behind any OpenAI-compatible URL: one request, sent again where that can help.

Only the standard library; nothing is read from the environment but the key that the caller names.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whet.errors import InputError, RunError, shorten
from whet.recipe.trust import refuse_foreign_server

AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
"""Answers of a server after which the same request may succeed."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the second try, doubled each time; a server's own Retry-After goes first."""

JSON = "application/json"
ANOTHER_SERVER = "check that the URL reaches as far as /v1 of an OpenAI-compatible server; the run resumes"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirection would take the key to another server, and the request without its body."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


class BadResponse(RunError):
    """The server answered, and not in the form that was asked for."""


@dataclass(slots=True)
class ModelServer:
    """`url` reaches as far as /v1. `key` is the name of the environment variable with the API key."""

    url: str
    model: str
    key: str | None = None
    seconds: float = 60.0
    retries: int = 4
    sleep: Callable[[float], None] = time.sleep

    def post(self, path: str, body: dict[str, Any] | None) -> Any:
        """What the server answers at another place of its API; without a body it is only asked. A path that begins
        with .. is beside /v1. Raises InputError for a key that is not set or a refused request, RunError where
        the server stays away."""
        url = self.url.rstrip("/")
        if path.startswith(".."):
            url, path = url.removesuffix("/v1"), path.removeprefix("..")
        return self._sent(url + path, None if body is None else json.dumps(body).encode())

    def upload(self, path: str, body: bytes, kind: str) -> Any:
        """As `post`, of a body that is not JSON."""
        return self._sent(self.url.rstrip("/") + path, body, kind)

    def _sent(self, url: str, body: bytes | None, kind: str = JSON) -> Any:
        for attempt in range(self.retries + 1):
            last = attempt == self.retries
            try:
                return self._once(url, body, kind)
            except urllib.error.HTTPError as error:
                if error.code not in AGAIN or last:
                    raise self._refused(error, attempt) from error

                wait = _retry_after(error)
            except (OSError, http.client.HTTPException, ValueError) as error:  # timeouts and broken JSON, too
                if last:
                    raise self._connection_error(error, attempt) from error

                wait = None

            self.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2**attempt if wait is None else wait))

        raise AssertionError("the last try returns or raises")

    def _once(self, url: str, body: bytes | None, kind: str) -> Any:
        request = urllib.request.Request(url, body, {**self._headers(), "Content-Type": kind})
        with _OPENER.open(request, timeout=self.seconds) as response:
            return json.loads(response.read())

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self.key:
            refuse_foreign_server(self.key, self.url)
            headers["Authorization"] = f"Bearer {secret_of(self.key)}"
        return headers

    def _without_key(self, text: str) -> str:
        """Some servers say the key that they refuse; no message of ours does."""
        if self.key:
            secret = os.environ.get(self.key, "")
        else:
            secret = ""
        if secret:
            return text.replace(secret, "***")
        return text

    def _connection_error(self, error: Exception, attempt: int) -> RunError:
        tries = f"after {attempt + 1} {'tries' if attempt else 'try'}"
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            return RunError(f"the server's answer is not JSON, {tries}", where=self.url, fix=ANOTHER_SERVER)
        what = f"the server cannot be reached, {tries}: {error}"
        return RunError(what, where=self.url, fix="start it, or correct the URL; the run resumes")

    def _refused(self, error: urllib.error.HTTPError, attempt: int) -> InputError | RunError:
        text = shorten(self._without_key(error.read().decode("utf-8", "replace")), 200)
        what = f"the server answers {error.code} {error.reason}: {text}"
        if error.code in AGAIN:
            return RunError(f"{what}, after {attempt + 1} tries", where=self.url, fix="try later; the run resumes")
        return InputError(what, where=self.url, fix="check the URL, the model's name and the key")


def secret_of(key: str) -> str:
    """What the environment variable holds. Raises InputError where it is not set."""
    secret = os.environ.get(key)
    if not secret:
        what = "this environment variable, which is to hold the API key, is not set"
        raise InputError(what, where=key, fix=f"export {key}=...")
    return secret


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    try:
        return max(0.0, float(error.headers.get("Retry-After", "")))
    except ValueError:
        return None
