"""An alarm as a POST of JSON, signed as GitHub signs its own. Only the standard library."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

import whet
from whet.errors import InputError, RunError

SECRET = "WHET_WEBHOOK_SECRET"
"""The environment variable with the secret that messages are signed with."""
SECONDS = 10.0
"""Until a server must have answered."""
SIGNATURE = "X-Whet-Signature-256"
KEY = "Idempotency-Key"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirection would take the message to somebody else."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


@dataclass(frozen=True, slots=True)
class Webhook:
    """The path of a URL may be its secret, so that no message of Whet's shows more than its server."""

    url: str

    def __post_init__(self) -> None:
        """Raises InputError for what is no URL of http or https."""
        try:
            parts = urllib.parse.urlsplit(self.url)
            host = parts.hostname if parts.port is None or parts.port else None
        except ValueError:
            parts, host = None, None
        if parts is None or parts.scheme not in ("http", "https") or not host:
            raise InputError("a webhook is a URL of http or https", where="--webhook", fix="write https://HOST/PATH")
        if parts.username or parts.password:
            what = "a name and a password in the URL are not sent"
            raise InputError(what, where="--webhook", value=self.server, fix=f"sign the messages instead: {SECRET}")
        if any(ord(letter) <= 32 or ord(letter) > 126 for letter in self.url):
            what = "a URL has no spaces and no letters outside ASCII"
            raise InputError(what, where="--webhook", value=self.server, fix="write them as %20 and the like")

    @property
    def server(self) -> str:
        """What may be shown of it."""
        parts = urllib.parse.urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}"

    def send(self, key: str, body: dict[str, Any]) -> None:
        """`key` is the same each time the message is sent. Raises RunError unless the server says that it has it (2xx);
        other answers, redirections among them, are none."""
        data = json.dumps({"key": key, **body}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": f"whet/{whet.__version__}", KEY: key}
        headers |= {"X-Whet-Event": str(body["event"])} | signature_of(data)
        request = urllib.request.Request(self.url, data, headers, method="POST")
        try:
            with _OPENER.open(request, timeout=SECONDS):
                return
        except urllib.error.HTTPError as error:
            error.close()
            why = f"the server answers {error.code}"
        except (OSError, http.client.HTTPException) as error:
            why = _reason(error)
        raise RunError(f"the message was not taken: {why}", where=self.server, fix="it is sent again at a later pass")


def signature_of(data: bytes) -> dict[str, str]:
    """`sha256=` and the HMAC of the body; nothing where there is no secret."""
    secret = os.environ.get(SECRET)
    if not secret:
        return {}
    return {SIGNATURE: "sha256=" + hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()}


def _reason(error: Exception) -> str:
    """Without the URL, which some errors name."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"no answer within {SECONDS:.0f} s"
    return getattr(reason, "strerror", None) or type(reason).__name__
