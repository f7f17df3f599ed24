"""How alike two texts are, 0 to 1, as `text_similarity` graders ask: each as the library computes it that OpenAI names.

fuzzy_match  rapidfuzz.fuzz.ratio / 100: twice the longest common subsequence, by characters, over both lengths
bleu         sentence BLEU up to 4-grams, with the effective order and the exponential smoothing of sacrebleu
gleu         Google's: the smaller of precision and recall over 1- to 4-grams (nltk's sentence_gleu)
rouge_N      F1 over n-grams of lower-cased words; rouge_l over the longest common subsequence (rouge_score)
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

from whet.evaluation.metrics.rouge import common_subsequence

WORD, MARK = re.compile(r"[a-z0-9]+"), re.compile(r"\w+|[^\w\s]")
ORDER = 4


def fuzzy_match(text: str, reference: str) -> float:
    both = len(text) + len(reference)
    return 2 * common_subsequence(text, reference) / both if both else 1.0


def bleu(text: str, reference: str) -> float:
    given, wanted = MARK.findall(text), MARK.findall(reference)
    if not given or not wanted:
        return 0.0

    logs: list[float] = []
    smooth = 1.0
    for n in range(1, min(ORDER, len(given)) + 1):
        hits, total = _hits(given, wanted, n), len(given) - n + 1
        if not hits:
            if n == 1:
                return 0.0
            smooth *= 2
            logs.append(math.log(1 / (smooth * total)))
        else:
            logs.append(math.log(hits / total))

    brevity = min(0.0, 1 - len(wanted) / len(given))
    return math.exp(brevity + sum(logs) / len(logs))


def gleu(text: str, reference: str) -> float:
    given, wanted = MARK.findall(text), MARK.findall(reference)
    hits = sum(_hits(given, wanted, n) for n in range(1, ORDER + 1))
    largest = max(_grams_in(len(given)), _grams_in(len(wanted)))
    return hits / largest if largest else 0.0


def rouge(n: int) -> Callable[[str, str], float]:
    def score(text: str, reference: str) -> float:
        given, wanted = WORD.findall(text.lower()), WORD.findall(reference.lower())
        return _f1(_hits(given, wanted, n), max(0, len(given) - n + 1), max(0, len(wanted) - n + 1))

    return score


def rouge_l(text: str, reference: str) -> float:
    given, wanted = WORD.findall(text.lower()), WORD.findall(reference.lower())
    return _f1(common_subsequence(given, wanted), len(given), len(wanted))


METRICS: dict[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match,
    "bleu": bleu,
    "gleu": gleu,
    **{f"rouge_{n}": rouge(n) for n in range(1, 6)},
    "rouge_l": rouge_l,
}
UNKNOWN = {
    "cosine": "it compares embeddings, and no model of embeddings is served here",
    "meteor": "it needs WordNet, which is not here",
}


def _hits(given: Sequence[str], wanted: Sequence[str], n: int) -> int:
    return (_grams(given, n) & _grams(wanted, n)).total()


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + n]) for at in range(len(words) - n + 1))


def _grams_in(words: int) -> int:
    return sum(max(0, words - n + 1) for n in range(1, ORDER + 1))


def _f1(hits: int, given: int, wanted: int) -> float:
    return 2 * hits / (given + wanted) if hits else 0.0
