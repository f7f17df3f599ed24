"""API keys that were pasted into a recipe: refused, because a run keeps its recipe, and taken out of older runs.

Keys of known providers are told by their published prefixes and lengths, as the open scanners do (gitleaks, MIT,
https://github.com/gitleaks/gitleaks; detect-secrets, Apache-2.0). Where a key's name belongs, whatever is not the name
of an environment variable is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from whet.errors import RecipeError
from whet.recipe.yaml_text import Places

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
KEY_FIELD = re.compile(r"key|(?:.*[_-])?(?:api[_-]?key|access[_-]?key|secret|token|password|passwd)", re.IGNORECASE)
"""Names under which a recipe, of ours or of another tool, holds a key."""
OUR_FIELD = "key"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
IN_QUERY = re.compile(r"[?&](?:[\w-]*key|token|sig|secret)=(?P<value>[^&\s]+)", re.IGNORECASE)
TAKEN_OUT = "KEY_TAKEN_OUT"
"""Stands where a key stood; a valid name of a variable that nobody has set."""


def names_a_variable(text: str) -> bool:
    """Whether a text can be the name of an environment variable, and not the key itself."""
    mixed = len(text) >= 20 and re.search(r"[0-9]", text) and re.search(r"[a-z]", text)
    return bool(VARIABLE.fullmatch(text)) and not mixed and not any(spans_of_keys(text))


def spans_of_keys(text: str) -> Iterator[tuple[int, int]]:
    """Where the keys of known providers, and those within a URL, stand."""
    patterns = list(dict.fromkeys([pattern for hint, pattern in HINTED if hint in text]))
    if "://" in text:
        patterns += [IN_URL, IN_QUERY]

    for pattern in patterns:
        group = "value" if "value" in pattern.groupindex else 0
        for match in pattern.finditer(text):
            yield match.span(group)


def refuse_keys(values: dict[str, Any], where: str, places: Places) -> None:
    """Raises RecipeError for a key in a recipe, without saying it."""
    for path, text in _texts(values, ()):
        if _without_key(path, text) != text:
            key = ".".join(map(str, path))
            fix = "name an environment variable that holds it, as in key: JUDGE_KEY, and export JUDGE_KEY=..."
            raise RecipeError(
                f"{key} holds an API key or a password, and a run keeps its recipe",
                where=places.get(path, where),
                fix=fix,
            )


def without_keys(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    """The same values, where TAKEN_OUT stands for each key."""
    if isinstance(value, dict):
        return {name: without_keys(inner, (*path, name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_keys(inner, (*path, number)) for number, inner in enumerate(value)]
    if isinstance(value, str):
        return _without_key(path, value)
    return value


def keys_in(values: Any) -> list[str]:
    """The keys themselves, to be found where else they were written."""
    found = []
    for path, text in _texts(values, ()):
        clean = _without_key(path, text)
        if clean == TAKEN_OUT:
            found.append(text)
        elif clean != text:
            found += [text[start:end] for start, end in spans_of_keys(text)]

    return found


def _texts(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, (*path, name))


def _without_key(path: tuple[str | int, ...], text: str) -> str:
    name = str(path[-1]) if path else ""
    ours = name == OUR_FIELD and names_a_variable(text)
    if text and not ours and KEY_FIELD.fullmatch(name) and "max" not in name:
        return TAKEN_OUT
    for start, end in sorted(spans_of_keys(text), reverse=True):
        text = text[:start] + TAKEN_OUT + text[end:]
    return text
