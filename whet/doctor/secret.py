"""Keys, tokens and passwords in a text: where they stand, and what they are.

Keys of known providers are told by their published prefixes and lengths, as the open scanners do (gitleaks, MIT,
https://github.com/gitleaks/gitleaks; detect-secrets, Apache-2.0); the rest by the word in front of it and by its
entropy, because a word of a language has less than a random string.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from whet.doctor.spans import Span, apart

KEYS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("AKIA", "ASIA", "ABIA", "ACCA"), r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b"),
    (("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{60,100}\b"),
    (("glpat-",), r"\bglpat-[A-Za-z0-9_-]{20,}"),
    (("xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-"), r"\bxox[baprs]-[A-Za-z0-9-]{10,}"),
    (("hooks.slack.com",), r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{40,}"),
    (
        ("sk-",),
        r"(?<![\w-])sk-(?:[a-z0-9]{1,8}-){0,2}(?=[\w-]*\d)(?:[a-f0-9]{32,}|(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{20,})",
    ),
    (("hf_",), r"\bhf_[A-Za-z0-9]{30,40}\b"),
    (("AIza",), r"\bAIza[\w-]{35}(?![\w-])"),
    (("ya29.",), r"\bya29\.[\w-]{20,}"),
    (("_live_", "_test_"), r"\b(?:sk|rk|pk)_(?:live|test)_[0-9A-Za-z]{10,99}\b"),
    (("SG.",), r"\bSG\.[\w-]{22}\.[\w-]{43}(?![\w-])"),
    (("npm_",), r"\bnpm_[A-Za-z0-9]{36}\b"),
    (("pypi-",), r"\bpypi-AgE[\w-]{50,}"),
    (("dop_v1_", "doo_v1_"), r"\bdo[op]_v1_[a-f0-9]{64}\b"),
    (("shpat_", "shpca_", "shpss_"), r"\bshp(?:at|ca|ss)_[a-fA-F0-9]{32}\b"),
    (("dapi",), r"\bdapi[a-f0-9]{32}\b"),
    (("hvs.",), r"\bhvs\.[\w-]{24,}"),
    ((":AA",), r"\b\d{8,10}:AA[\w-]{33}(?![\w-])"),
    (("AccountKey=",), r"AccountKey=(?P<value>[A-Za-z0-9+/]{86}==)"),
    (("PRIVATE KEY",), r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*-----|\Z)"),
    (("eyJ",), r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
)
HINTED = tuple((hint, re.compile(pattern)) for hints, pattern in KEYS for hint in hints)
"""Most texts hold no hint: one loop over them is several times as fast as looking key by key."""
IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@\"']{0,64}:(?![\[<{$])(?P<value>[^\s:/@\"']{3,})@[\w.-]+")
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


def secret_spans(text: str) -> list[Span]:
    """Where keys, tokens and passwords stand, in the order of the text."""
    return apart(_found(text))


def _found(text: str) -> Iterator[Span]:
    for pattern in dict.fromkeys([pattern for hint, pattern in HINTED if hint in text]):
        yield from (_span(match) for match in pattern.finditer(text) if not _obvious(match[0]))
    if "://" in text and "@" in text:
        yield from (_span(match) for match in IN_URL.finditer(text) if not PLACE_HOLDER.search(match["value"]))
    lower = text.lower()
    if any(name in lower for name in NAMES):
        yield from (_span(match) for match in NAMED.finditer(text) if random_looking(match["value"]))
    if "Bearer" in text:
        yield from (_span(match) for match in BEARER.finditer(text) if random_looking(match["value"]))


def _span(match: re.Match[str]) -> Span:
    group = "value" if "value" in match.re.groupindex else 0
    return Span(*match.span(group), "SECRET")


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
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values()) if text else 0.0
