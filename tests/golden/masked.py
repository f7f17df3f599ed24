"""What two makings may differ in and is therefore covered: times, memory, and the folders they stood in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.golden.places import ROOT

COVERED = "<covered>"
MEASURES = re.compile(r"(^|_)seconds$|per_second$|peak_memory_bytes$|^(threads|memory_bytes|whet|pid|measured_of)$")
"""`measured_of` is the key of the measuring code itself."""
IN_TEXT = [
    (re.compile(r"[\d.,]+ (s|ms|min|minutes?|seconds?|hours?|tokens a second)\b"), rf"{COVERED} \1"),
    (re.compile(r"[\d.,]+ [KMG]B\b"), f"{COVERED} MB"),
    (re.compile(r"whet-\d{8}-\d{6}-\d+"), "whet-<clock>"),
]


def masked(value: Any, folder: Path) -> Any:
    """A value of JSON without what depends on the machine's speed, or on where `folder` and the repository stand."""
    if isinstance(value, dict):
        return {
            key: COVERED if MEASURES.search(str(key)) and inner is not None else masked(inner, folder)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(inner, folder) for inner in value]
    return without_places(value, folder) if isinstance(value, str) else value


def without_places(text: str, folder: Path) -> str:
    """A text in which both folders have names that are the same everywhere."""
    return text.replace(str(folder), "<folder>").replace(str(ROOT), "<repository>")


def without_times(text: str, folder: Path) -> str:
    """A text written for people, without its times and sizes of memory."""
    text = without_places(text, folder)
    for pattern, instead in IN_TEXT:
        text = pattern.sub(instead, text)
    return text
