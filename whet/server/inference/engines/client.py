"""The engine behind its URL: requests that can be cancelled, and what goes wrong with them in words for clients.

The URL and the key are the operator's. Neither is ever told to a client: the URL because it says how a network is made
up, the key because it is one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2

from whet.errors import InputError, shorten
from whet.model_server import secret_of
from whet.server.errors import ApiError

CONNECT_SECONDS = 5.0
MOST_AHEAD = 64
"""Events that are read before a client takes them."""
AGAIN = {"Retry-After": "5"}
STAYS = {"x-should-retry": "false"}
DONE = "[DONE]"
LONGEST = 300
"""Characters of an engine's own words that a client is told."""
TOO_LONG = ("context length", "context size", "context_length", "maximum context", "max_model_len")
"""How engines say that a prompt has no room."""
log = logging.getLogger("whet.server")


class EngineLacks(ApiError):
    """It does not know the model that was asked for: it was started anew, or the adapter was taken out."""


class EngineClient:
    """`url` reaches as far as /v1; `key` names the environment variable with its key, or is empty; `seconds` is the
    longest answer. Raises InputError for a URL that is none, and a key that is not set. Used in one event loop."""

    def __init__(self, url: str, key: str, seconds: float) -> None:
        refuse_url(url)
        self.url, self.key, self.seconds = url.rstrip("/"), key, seconds
        self.secret = secret_of(key) if key else ""
        self._http: httpx2.AsyncClient | None = None

    async def get(self, path: str) -> Any:
        """The JSON that lies there. Raises ApiError."""
        async with self._sent("GET", path, None) as response:
            return await self._whole(response)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """JSON, or the text where it is none. Raises ApiError. A path that begins with .. is beside /v1."""
        async with self._sent("POST", path, body) as response:
            return await self._whole(response)

    async def events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The data of each server-sent event. Whoever stops reading closes the connection, by which engines know that
        nobody waits. Raises ApiError, also for a stream that breaks off."""
        pending: asyncio.Queue[dict[str, Any] | Exception | None] = asyncio.Queue(MOST_AHEAD)

        async def read() -> None:
            try:
                async with aclosing(self._events(path, body)) as events:
                    async for event in events:
                        await pending.put(event)
            except Exception as error:  # it is raised again where the events are read
                await pending.put(error)
            else:
                await pending.put(None)

        task = asyncio.create_task(read())  # timeouts belong to one task, and a stream is read by several
        try:
            while (event := await pending.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        async with self._sent("POST", path, body) as response:
            async for line in response.aiter_lines():
                if not line.startswith("data:"):
                    continue
                text = line.removeprefix("data:").strip()
                if text == DONE:
                    return
                yield self._event(text)
        raise self._failed("its answer broke off, or is no stream")

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    def clean(self, text: object) -> str:
        """An engine's own words, short, and without the key, which some say in their refusals."""
        words = str(text)
        return shorten(words.replace(self.secret, "***") if self.secret else words, LONGEST)

    @asynccontextmanager
    async def _sent(self, method: str, path: str, body: dict[str, Any] | None) -> AsyncGenerator[httpx2.Response]:
        base, rest = self.url, path
        if path.startswith(".."):
            base, rest = self.url.removesuffix("/v1"), path.removeprefix("..")
        try:
            async with asyncio.timeout(self.seconds):
                async with self._client().stream(method, base + rest, json=body) as response:
                    if response.status_code != 200:
                        raise self._refused(response, (await response.aread()).decode("utf-8", "replace"))
                    yield response
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise self._away(error) from error
        except (TimeoutError, httpx2.TimeoutException) as error:
            what = f"The answer took longer than {self.seconds:g} seconds, and was ended."
            raise ApiError(504, what, code="timeout", headers=STAYS) from error
        except httpx2.TransportError as error:
            raise self._failed(f"the connection broke off ({type(error).__name__})") from error

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            headers = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
            # Proxies of the environment are for what lies elsewhere. Redirections would take the key elsewhere.
            self._http = httpx2.AsyncClient(
                headers=headers,
                timeout=httpx2.Timeout(self.seconds, connect=CONNECT_SECONDS),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32),
                trust_env=not _is_here(self.url),
                follow_redirects=False,
            )
        return self._http

    async def _whole(self, response: httpx2.Response) -> Any:
        text = (await response.aread()).decode("utf-8", "replace")
        try:
            return json.loads(text)
        except ValueError:
            return text

    def _event(self, text: str) -> dict[str, Any]:
        try:
            event = json.loads(text)
        except ValueError as error:
            raise self._failed("an event of its answer is no JSON") from error
        if not isinstance(event, dict):
            raise self._failed("an event of its answer is no object")
        if event.get("error"):
            raise self._failed(f"in the midst of an answer it says: {self.clean(_message(event, text))}")
        return event

    def _away(self, error: Exception) -> ApiError:
        log.warning("the engine at %s cannot be reached: %s", self.url, self.clean(error) or type(error).__name__)
        what = "The engine that writes for this service cannot be reached: try again later."
        return ApiError(503, what, code="engine_unreachable", headers=AGAIN)

    def _failed(self, why: str) -> ApiError:
        log.warning("the engine at %s: %s", self.url, why)
        return ApiError(502, f"The engine that writes for this service failed: {why}.", code="engine_error")

    def _refused(self, response: httpx2.Response, text: str) -> ApiError:
        """What an engine's refusal is to a client of ours."""
        status = response.status_code
        body = _json(text)
        said = self.clean(_message(body, text))
        if status in (400, 422):
            long = any(word in said.lower() for word in TOO_LONG)
            what = f"The engine that writes for this service refuses it: {said}"
            return ApiError(400, what, code="context_length_exceeded" if long else "engine_refused", param=_param(body))
        log.warning("the engine at %s answers %d: %s", self.url, status, said)
        if status == 404:
            return EngineLacks(502, f"The engine does not know what it is asked for: {said}", code="engine_error")
        if status in (401, 403):
            what = "The engine does not take this service's key; its operator can help."
            return ApiError(502, what, code="engine_error", headers=STAYS)
        if status in (429, 503):
            wait = {"Retry-After": response.headers.get("Retry-After", "5")}
            busy = "server_busy" if status == 429 else "engine_unreachable"
            return ApiError(status, f"The engine is busy, or not ready: {said}", code=busy, headers=wait)
        return ApiError(502, f"The engine that writes for this service answers {status}: {said}", code="engine_error")


def refuse_url(url: str) -> None:
    """Raises InputError for what is no URL of an engine. A key within it would end in logs."""
    fix = "write http://HOST:PORT/v1"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise InputError("this is no URL of an engine", where="--engine", fix=fix) from error
    if parts.username is not None or parts.password is not None:
        fix = "put the key into an environment variable, and name it with --engine-key"
        raise InputError("a URL must hold no key and no password", where="--engine", fix=fix)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or port == 0:
        raise InputError("this is no URL of an engine", where="--engine", value=url, fix=fix)


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _message(body: Any, text: str) -> str:
    """Of OpenAI's shape, of FastAPI's, or the text itself."""
    if isinstance(body, dict):
        inner = body.get("error") or body
        if isinstance(inner, dict):
            return str(inner.get("message") or inner.get("detail") or inner.get("error_message") or text)
        return str(inner)
    return text


def _param(body: Any) -> str | None:
    inner = body.get("error") if isinstance(body, dict) else None
    param = inner.get("param") if isinstance(inner, dict) else None
    return param if isinstance(param, str) else None
