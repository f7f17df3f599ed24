"""Names of things, as OpenAI's clients expect them: a kind, and 24 characters that nobody can guess."""

from __future__ import annotations

import secrets
import string

LETTERS = string.ascii_letters + string.digits
LENGTH = 24


def new_id(kind: str) -> str:
    """`kind` with its own joint: "file-", "ftjob-", "ftevent-", "ftckpt_", "chatcmpl-"."""
    return kind + "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
