"""Names of things, as OpenAI's clients expect them: a kind, and 24 characters that nobody can guess."""

from __future__ import annotations

import re
import secrets
import string

from whet.server.errors import ApiError

LETTERS = string.ascii_letters + string.digits
LENGTH = 24
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_id(kind: str, length: int = LENGTH) -> str:
    """`kind` with its own joint: "file-", "ftjob-", "ftevent-", "ftckpt_", "chatcmpl-"."""
    return kind + secret_text(length)


def secret_text(length: int) -> str:
    """Letters and digits that nobody can guess: 5.95 bits each."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def is_id(text: str) -> bool:
    """Whether this can be the name of a thing at all: databases refuse some of what a client can send."""
    return NAME.fullmatch(text) is not None


def refuse_unstorable(param: str, *texts: object) -> None:
    """Raises ApiError 400 where one of `texts` is a text that no database can keep."""
    if any(isinstance(text, str) and storable(text) != text for text in texts):
        raise ApiError(400, f"{param}: it holds characters that are none.", code="invalid_value", param=param)


def storable(text: str) -> str:
    """The text without what a database cannot keep: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
