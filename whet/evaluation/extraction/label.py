"""Which one of the known labels an answer names: never the better of two, and none where it is not plain.

In this order, the first that applies decides:

1. the answer is a label, apart from case, spaces, _ and -, and what is written around it
(whet/evaluation/extraction/wrapping.py)
2. "the label is spam", "Intent: spam": what such cues are followed by. All must say the same one, and a line that goes
   on to another label says none.
3. the answer begins with a label and punctuation ("Spam. It asks for money."), and names no other
4. exactly one label is named in the answer, between the borders of words, the longest first ("card payment fee" is not
   "card payment")

Nothing is taken from a text that denies a label ("not spam", "rather than spam"), because what it means depends on the
others. Labels that are single characters or words like "no" and "other" are taken from places 1 to 3 only: "no" is in
many sentences that mean something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from whet.evaluation.extraction.wrapping import after_cue, unwrapped
from whet.text.normalise import normalise

COMMON = frozenset(
    "a all an and any are as at be both by do for from good he high i if in is it like low more most new no none not "
    "of off on one open or other out so some that the this to true up us we what yes you".split()
)
"""Words that stand in sentences without naming anything."""
DENIAL = re.compile(
    r"(?:\b(?:not|no|never|neither|nor|non|without|cannot|hardly|unlikely|rather than|instead of|nicht|keine?n?|pas|ni|"
    r"não|nem|niet|geen|не|нет)\b|n['’]t\b|\bnon-)(?:[\s\"'“*`]+[\w'’-]+){0,3}[\s\"'“*`]*$|(?:不是|并非|不|没有)$",
    re.IGNORECASE,
)
"""A denial at most three words before a label, within its clause; in languages that deny before the word."""
LISTED = re.compile(r"[\s,;/|&•*\-\d.()\[\]\"'`]*(?:(?:and|or)\b[\s(\[\"'`]*)?")
SPACELESS = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Letters of languages that write words without spaces between them, so that a word has no borders to look for."""
CLAUSE = re.compile(r"[.;:!?\n]")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    exact: dict[str, str]
    """normalised: as it is written."""
    loose: dict[str, str]
    """The same with _ and - as spaces; labels that only differ in these are left out."""
    pattern: re.Pattern[str] | None
    """Any label between the borders of words, the longest first."""


@lru_cache(maxsize=8)
def vocabulary(known: tuple[str, ...]) -> Vocabulary:
    exact = {normalise(one): one for one in reversed(known) if normalise(one)}
    loose: dict[str, str] = {}
    for one in exact.values():
        key = _loose(one)
        loose[key] = "" if key in loose else one

    loose = {key: one for key, one in loose.items() if one and key}
    longest_first = sorted(loose, key=lambda key: (-len(key), key))
    choices = "|".join(map(_bordered, longest_first))
    return Vocabulary(exact, loose, re.compile(choices, re.IGNORECASE) if choices else None)


def _bordered(key: str) -> str:
    if SPACELESS.match(key[0]):
        before = ""
    else:
        before = r"(?<!\w)"

    if SPACELESS.match(key[-1]):
        after = ""
    else:
        after = r"(?!\w)"

    return before + r"[\s_\-]+".join(map(re.escape, key.split(" "))) + after


def named(answer: str, words: Vocabulary) -> tuple[str | None, str]:
    """(the label as it is written among the known ones, or None; how it was found)."""
    whole = _whole(answer, words)
    if whole is not None:
        same = normalise(answer) == normalise(whole)
        return whole, "as it stands" if same else "without what stands around it"

    after = {found for text in after_cue(answer) if (found := _leading(text, words)) is not None}
    if len(after) > 1:
        return None, "says two different labels"
    if after:
        return after.pop(), "after a cue such as 'the answer is'"

    first = _beginning(answer, words)
    if first is not None:
        return first, "the first words"
    return _mentioned(answer, words)


def _whole(text: str, words: Vocabulary) -> str | None:
    if normalise(text) in words.exact:
        return words.exact[normalise(text)]
    plain = unwrapped(text)
    return words.exact.get(normalise(plain)) or words.loose.get(_loose(plain))


def _leading(text: str, words: Vocabulary) -> str | None:
    """The label that a text begins with, where it names no other."""
    whole = _whole(text, words)
    if whole is not None:
        return whole

    if words.pattern:
        start = words.pattern.match(text.lstrip("\"'“‘*_`([ "))
    else:
        start = None

    if start is None:
        return None

    label = words.loose[_loose(start.group())]
    if {found for found, _ in _all(text, words)} <= {label}:
        return label
    return None


def _beginning(answer: str, words: Vocabulary) -> str | None:
    """The label that stands first and is followed by punctuation or the end of its line, where it is no list."""
    text = answer.lstrip("\"'“‘*_`([ \n")
    if words.pattern:
        start = words.pattern.match(text)
    else:
        start = None

    if start is None:
        return None

    rest = text[start.end() :]
    if rest.strip("\"'”’*_`)]") and not re.match(r"[\"'”’*_`\]]*(?:\)|\s*[.,:;!\n(]|\s+[-–—]\s)", rest):
        return None

    label = words.loose[_loose(start.group())]
    listed = LISTED.match(rest)
    assert listed is not None and words.pattern is not None

    following = words.pattern.match(rest, listed.end())
    if following and words.loose[_loose(following.group())] != label:
        return None

    others = {found for found, _ in _all(rest, words) if _loose(found) not in COMMON and len(found) > 1} - {label}
    return None if others else label


def _mentioned(answer: str, words: Vocabulary) -> tuple[str | None, str]:
    found = [(label, denied) for label, denied in _all(answer, words) if _loose(label) not in COMMON and len(label) > 1]
    labels = {label for label, _ in found}
    if len(labels) > 1:
        return None, "names several labels"
    if not labels:
        return None, "names no label"
    if any(denied for _, denied in found):
        return None, "denies a label"
    return labels.pop(), "the only label that it names"


def _all(text: str, words: Vocabulary) -> Iterator[tuple[str, bool]]:
    """(label, whether it is denied) of every place where one is named."""
    for place in words.pattern.finditer(text) if words.pattern else ():
        clause = CLAUSE.split(text[: place.start()])[-1]
        yield words.loose[_loose(place.group())], DENIAL.search(clause) is not None


def _loose(text: str) -> str:
    return re.sub(r"[\s_\-]+", " ", normalise(text)).strip()
