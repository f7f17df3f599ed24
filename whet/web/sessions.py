"""Who sits in front of the browser: a signed cookie that outlives a restart, and a token against forged requests.

The cookie names a key by its id, never its secret, and is looked up at each request: a revoked key is out at once. The
secret that signs is a file of the home, so that all servers of one home know each other's sessions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

COOKIE, HEADER = "whet_studio", "x-csrf-token"
LIFE_SECONDS = 30 * 86_400
SECRET_FILE, SECRET_BYTES = "studio.key", 32
HERE = "here"
"""In the place of a key's id: whoever started the studio on this machine."""


@dataclass(frozen=True, slots=True)
class Session:
    key: str
    """Id of a key, or HERE."""
    id: str


class Sessions:
    """Raises OSError where the home cannot be written."""

    def __init__(self, home: Path) -> None:
        self._secret = _kept_secret(home / SECRET_FILE)
        self.entry = secrets.token_urlsafe(24)
        """What opens a session on this machine; it ends with this process."""

    def begin(self, key: str) -> tuple[Session, str]:
        """A new session, and its cookie."""
        session = Session(key, secrets.token_urlsafe(12))
        told = json.dumps([session.key, session.id, int(time.time())], separators=(",", ":"))
        body = base64.urlsafe_b64encode(told.encode()).decode()
        return session, f"{body}.{self._signed('session', body)}"

    def read(self, cookie: str | None) -> Session | None:
        """None for a cookie that is missing, too old, or not of this home."""
        body, _, signature = (cookie or "").partition(".")
        if not hmac.compare_digest(signature.encode(), self._signed("session", body).encode()):
            return None
        key, name, began = json.loads(base64.urlsafe_b64decode(body))
        return Session(key, name) if time.time() - began < LIFE_SECONDS else None

    def token(self, session: Session) -> str:
        """What a request of this session's own pages carries, and no other page can know."""
        return self._signed("csrf", session.id)

    def is_token(self, session: Session, given: str | None) -> bool:
        return hmac.compare_digest((given or "").encode(), self.token(session).encode())

    def is_entry(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.entry.encode())

    def _signed(self, use: str, text: str) -> str:
        return hmac.new(self._secret, f"{use}:{text}".encode(), hashlib.sha256).hexdigest()


def _kept_secret(path: Path) -> bytes:
    """Made by whoever comes first, and readable by its owner alone."""
    own = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(SECRET_BYTES))
    try:
        os.link(own, path)  # whole or not at all, also where two servers start at once
    except FileExistsError:
        pass
    finally:
        own.unlink()
    return path.read_bytes()
