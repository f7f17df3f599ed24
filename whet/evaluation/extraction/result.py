"""The result that a worked answer states, wherever it stands, and results compared as numbers."""

from __future__ import annotations

import re
from fractions import Fraction

from whet.evaluation.extraction.wrapping import after_cue
from whet.text.normalise import final_answer, normalise

NUMBER = re.compile(r"(?<![\w.,])([-−+]?)\s?[$€£¥]?\s?(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?(?:\s?/\s?(\d+))?(?![\d/]|\.\d)")
"""A number with sign, currency, thousands separators, decimals, or a denominator."""


def stated(answer: str) -> tuple[str | None, str]:
    """(result or None, how it was found): the last #### line; the last \\boxed{}; the last "the answer is", where a
    number follows; the last number of the text."""
    final = final_answer(answer)
    if final is not None:
        return final, "after ####"

    inside = boxed(answer)
    if inside:
        return _number_or_words(inside), "within \\boxed{}"

    for text in reversed(after_cue(answer)):
        found = numbers_in(text)
        if found:
            return found[0], "after a cue such as 'the answer is'"

    found = numbers_in(answer)
    if found:
        return (found[-1], "the last number")
    return (None, "states no number")


def boxed(text: str) -> str | None:
    """What the last complete \\boxed{...} holds; braces within it are counted."""
    found = None
    for start in re.finditer(r"\\boxed\s*\{", text):
        depth = 1
        for place in range(start.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                found = text[start.end() : place].strip()
                break

    return found


def numbers_in(text: str) -> list[str]:
    """Numbers as they are compared: `-1234.5`, `3/4`."""
    return [number for found in NUMBER.finditer(text) if (number := _plain(found)) is not None]


def value_of(text: str) -> Fraction | None:
    """The number that a result is, with currency, percent sign, or unit words left out; None where it is not one."""
    found = numbers_in(text)
    if len(found) == 1:
        return Fraction(found[0])
    return None


def same_result(one: str, other: str) -> bool:
    """Equal as words, or equal as numbers: 42, $42.00 and 84/2 are the same."""
    if normalise(one) == normalise(other):
        return True
    a, b = value_of(one), value_of(other)
    return a is not None and a == b


def _number_or_words(text: str) -> str:
    fraction = re.fullmatch(r"([-−]?)\\d?frac\{(\d+)\}\{(\d+)\}", text)
    if fraction:
        text = "".join(("-" if fraction[1] else "", fraction[2], "/", fraction[3]))
    found = numbers_in(text.replace("\\$", "$").replace("\\!", ""))
    if len(found) == 1:
        return found[0]
    return normalise(text)


def _plain(found: re.Match[str]) -> str | None:
    sign, whole, decimals, denominator = found.groups()
    if whole is None and decimals is None:
        return None
    if denominator is not None and (int(denominator) == 0 or decimals):
        return None
    minus = "-" if sign in ("-", "−") else ""
    number = f"{minus}{(whole or '0').replace(',', '')}{decimals or ''}"

    if denominator:
        return f"{number}/{denominator}"
    return number
