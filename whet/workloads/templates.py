"""Which system prompts are one template: the same words with other dates, names, ids or passages, or nearly the same.

1. Dates, times, numbers, addresses and ids are masked; prompts that are equal then are one template.
2. Prompts whose words are the same but for names (the frames of the split, whet/data/split/skeletons.py) are one where
   at least MANY of them differ: then what differs is a variable. Two prompts that differ in a name are two tasks.
3. Prompts that begin alike and hardly ever come twice are one: what follows is filled in, such as found passages.
4. Prompts that share SIMILAR of their runs of three words are copies of each other, as after a small correction.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

from whet.data.split.skeletons import FIXED, with_gaps
from whet.text.normalise import one_line

MANY = 5
"""Different fillings from which a place is a variable."""
OPENING = 12
"""Words that prompts share at their beginning where the rest is filled in."""
FILLED_IN = 2
"""Requests a prompt, at most, where the rest is filled in."""
SIMILAR = 0.9
"""Share of the runs of words: a corrected word in a prompt of 60 words leaves 95%, another task behind a preamble of
200 words less."""
LARGEST = 300
"""Templates that are compared with each other, those with the most requests."""

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
MASKED = re.compile(
    "|".join(
        [
            r"https?://\S+",
            r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+",
            rf"\b(?:{_DAY},? (?:the )?)?\d{{1,2}}(?:st|nd|rd|th)?\.? (?:of )?{_MONTH},? \d{{4}}\b",
            rf"\b(?:{_DAY},? )?{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?\b",
            rf"\b{_DAY}\b",
            r"\b\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]m)?\b",
            r"\b[\w-]{0,80}\d[\w-]*(?:[.,]\d+)*",
        ]
    ),
    re.IGNORECASE,
)
MASK = "0"


def masked(text: str) -> str:
    """The text on one line, with a 0 in the place of every date, time, number, address and id."""
    return re.sub(rf"{MASK}(?: {MASK})+", MASK, one_line(MASKED.sub(MASK, text)))


def templates_of(prompts: Mapping[str, int]) -> dict[str, str]:
    """The key of each prompt's template, equal for prompts of one. `prompts` tells how many requests have each."""
    requests: Counter[str] = Counter()
    for text, number in prompts.items():
        requests[masked(text)] += number

    key_of = _by_openings(_by_frames(requests), requests)
    copies = _near_copies(key_of, requests)
    return {text: copies.get(key, key) for text in prompts for key in [key_of[masked(text)]]}


def _by_frames(requests: Counter[str]) -> dict[str, str]:
    """By each masked prompt, its frame where that has many fillings, else itself."""
    key_of = {text: text for text in requests}
    filled: dict[str, list[str]] = defaultdict(list)
    for text in requests:
        words, all_words, fixed = with_gaps(text)
        if fixed >= FIXED and 2 * fixed >= all_words:
            filled[" ".join(words)].append(text)

    for key, texts in filled.items():
        if len(texts) >= MANY:
            key_of |= dict.fromkeys(texts, key)
    return key_of


def _by_openings(key_of: Mapping[str, str], requests: Counter[str]) -> dict[str, str]:
    begun: dict[str, list[str]] = defaultdict(list)
    for text, key in key_of.items():
        words = with_gaps(text)[0]
        if key == text and len(words) > OPENING:
            begun[" ".join(words[:OPENING])].append(text)

    joined = dict(key_of)
    for opening, texts in begun.items():
        if len(texts) >= MANY and sum(requests[text] for text in texts) <= FILLED_IN * len(texts):
            joined |= dict.fromkeys(texts, opening)
    return joined


def _near_copies(key_of: Mapping[str, str], requests: Counter[str]) -> dict[str, str]:
    """By the key of a template, that of the larger one that it is nearly a copy of."""
    size: Counter[str] = Counter()
    for text, key in key_of.items():
        size[key] += requests[text]

    kept: list[tuple[str, frozenset[tuple[str, ...]]]] = []
    joined = {}
    for key, _ in sorted(size.items(), key=lambda item: (-item[1], item[0]))[:LARGEST]:
        runs = _runs(key)
        larger = next((other for other, theirs in kept if _similar(runs, theirs)), None)
        if larger is None:
            kept.append((key, runs))
        else:
            joined[key] = larger
    return joined


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words = text.casefold().split()
    return frozenset(tuple(words[place : place + 3]) for place in range(max(1, len(words) - 2)))


def _similar(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> bool:
    shared = len(one & other)
    return shared >= SIMILAR * (len(one) + len(other) - shared)
