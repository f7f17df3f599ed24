"""Names of things, as OpenAI's clients expect them: a kind, and 24 characters that nobody can guess."""

from __future__ import annotations

import re
import secrets
import string

LETTERS = string.ascii_letters + string.digits
LENGTH = 24
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_id(kind: str, length: int = LENGTH) -> str:
    """`kind` with its own joint: "file-", "ftjob-", "ftevent-", "ftckpt_", "chatcmpl-"."""
    return kind + "".join(secrets.choice(LETTERS) for _ in range(length))


def is_id(text: str) -> bool:
    """Whether this can be the name of a thing at all: databases refuse some of what a client can send."""
    return NAME.fullmatch(text) is not None


def storable(text: str) -> str:
    """The text without what a database cannot keep: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
