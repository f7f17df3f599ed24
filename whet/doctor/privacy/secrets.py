"""Keys, tokens and passwords in a text: where they are, and what they are.

Keys of known providers are told as in a recipe (whet/recipe/secret_keys.py); the rest by the word in front of it and by
its entropy, because a word of a language has less than a random string.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from whet.doctor.privacy.redactions import Redaction, without_overlap
from whet.recipe.secret_keys import HINTED, IN_URL

NAMED = re.compile(
    r"(?:api[_ -]?key|secret[_ -]?(?:access[_ -]?)?key|access[_ -]?key|client[_ -]?secret|secret|auth[_ -]?token|token|"
    r"passwd|"
    r"password|passwort|pwd|credentials?)(?P<quote>[\"'`]?)\s*(?:=>|:=|=|:|\bis\b|\bwas\b)\s*[\"'`]?"
    r"(?P<value>[^\s\"'`,;<>(){}\[\]$]{8,})",
    re.IGNORECASE,
)
BEARER = re.compile(r"\bBearer\s+(?P<value>[A-Za-z0-9._~+/=-]{20,})")
NAMES = ("key", "secret", "token", "passw", "pwd", "credential")
PLACE_HOLDER = re.compile(
    r"your|example|change|placeholder|dummy|sample|redacted|insert|x{4}|\*{3}|\.{3}|1234567|^pass(?:word|wd)?$|"
    r"^secret$",
    re.IGNORECASE,
)
ENTROPY = 2.8
"""Bits a character. English words of ten letters have about 2.9, but no digits; random strings of 16 about 3.6."""


def secret_spans(text: str) -> list[Redaction]:
    """Where keys, tokens and passwords stand, in the order of the text."""
    return without_overlap(_found(text))


def _found(text: str) -> Iterator[Redaction]:
    for pattern in dict.fromkeys([pattern for hint, pattern in HINTED if hint in text]):
        yield from (_span(match) for match in pattern.finditer(text) if not _obvious(match[0]))
    if "://" in text and "@" in text:
        yield from (_span(match) for match in IN_URL.finditer(text) if not PLACE_HOLDER.search(match["value"]))

    lower = text.lower()
    if any(name in lower for name in NAMES):
        yield from (_span(match) for match in NAMED.finditer(text) if random_looking(match["value"]))
    if "Bearer" in text:
        yield from (_span(match) for match in BEARER.finditer(text) if random_looking(match["value"]))


def _span(match: re.Match[str]) -> Redaction:
    if "value" in match.re.groupindex:
        group = "value"
    else:
        group = 0
    return Redaction(*match.span(group), "SECRET")


def _obvious(key: str) -> bool:
    """A made-up key of a manual: ghp_xxxxxxxx."""
    return entropy(key[4:]) < 2


def random_looking(value: str) -> bool:
    """Letters and digits in an order that no word has."""
    value = value.rstrip(".!?")
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed and len(value) >= 8 and entropy(value) >= ENTROPY and not PLACE_HOLDER.search(value)


def entropy(text: str) -> float:
    """Shannon's, in bits a character, of the frequencies within the text."""
    if text:
        return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
    return 0.0
