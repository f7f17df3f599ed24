"""Answers as texts that are compared: what does not matter is taken away first."""

from __future__ import annotations

import re
import unicodedata

FINAL = re.compile(r"^[ \t]*####[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


def normalise(text: str) -> str:
    """Unicode NFC, case folded, white space collapsed, one final period removed."""
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip().casefold()
    if not text.endswith(".."):
        return text.removesuffix(".").rstrip()
    return text


def one_line(text: str) -> str:
    """White space collapsed, so that a text fits in a line of a table or a message."""
    return " ".join(text.split())


def final_answer(text: str) -> str | None:
    """What follows the last `#### ` up to the end of its line, as GSM8K writes results; commas in numbers removed."""
    found = FINAL.findall(text)
    if found:
        return normalise(re.sub(r"(?<=\d),(?=\d)", "", found[-1]))
    return None
