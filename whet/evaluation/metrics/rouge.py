"""ROUGE-L: F1 of the longest common subsequence of words (Lin 2004, aclanthology.org/W04-1013, section 3).

Words are lower-cased runs of letters and digits in any script, as in Google's rouge-score for English; scripts
written without spaces count every character as a word, where rouge-score sees nothing at all.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from whet.text.words import ROUGE_WORDS


def rouge_l(reference: str, answer: str) -> float:
    """In 0..1. Texts without any word (only punctuation) score 1 when they are equal, otherwise 0."""
    wanted, given = words(reference), words(answer)
    if not wanted and not given:
        return float(reference.strip() == answer.strip())
    return 2 * common_subsequence(wanted, given) / (len(wanted) + len(given))


def words(text: str) -> list[str]:
    return ROUGE_WORDS.findall(text.lower())


def common_subsequence(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence of words, or of the characters of two texts, with one bit an item of `a`
    (Hyyro 2004, bit-vector algorithm)."""
    places: dict[Hashable, int] = {}
    for position, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << position
    full = (1 << len(a)) - 1

    free = full
    for word in b:
        hit = free & places.get(word, 0)
        free = ((free + hit) | (free - hit)) & full

    return len(a) - free.bit_count()
