"""Are answers supported by the passages in the prompt, and are they refused if the passages lack them?

    k_precision   share of the answer's words that its passages have, counted with repetition: K-Precision of
                  Adlakha et al. 2023 (arXiv 2307.16877), over words as the retriever cuts them, without articles.
    bigrams       the same over pairs of neighbouring words, harder to find by chance; without one-word answers
    supported     share of answers whose every content word stands in the passages or in the question. Content words
                  are words and numbers but those of STOP_WORDS (English; in other languages every word counts, which
                  makes the measure strict); an answer without any is left out.

An answer that only refuses claims nothing, so it counts in the refusal rates and nowhere else. Words that agree are
not yet sentences that agree: "not at nine" is supported by "at nine, not at ten". A judge reads
sentences (`judge_support`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whet.data.retrieval.retrievers import words_of
from whet.errors import DataError
from whet.evaluation.facts import GroundingFacts, RateFacts
from whet.recipe.schema import Judge, SupportJudge
from whet.rewards.judge import JudgeReward
from whet.stats.paired import mean_interval
from whet.text.normalise import normalise
from whet.types import Message, Row

ARTICLES = frozenset(("a", "an", "the"))
"""What SQuAD's normalisation takes away (Rajpurkar et al. 2016, the official evaluation script)."""
STOP_WORDS = ARTICLES | frozenset(
    "i you he she it we they me him her us them my your his its our their this that these those who whom which what "
    "where when why how is am are was were be been being do does did have has had will would can could shall should "
    "may might must and or but if then than so as of in on at to from by for with about into over under after before "
    "between during through up down out not no yes there here also both each all any some such only own same very "
    "s t".split()
)
REFUSALS = (
    "not stated",
    "not mentioned",
    "not specified",
    "not in the text",
    "no information",
    "text does not",
    "passage does not",
    "passages do not",
    "context does not",
    "cannot be determined",
    "cannot answer",
    "can't answer",
    "unable to answer",
    "i do not know",
    "i don't know",
    "unanswerable",
)
"""What a short answer without the answer says. A recipe that trains refusals adds its own words."""
SHORT_REFUSAL = 30
"""Words: a longer text that says one of these somewhere also says something else."""
QUESTION = (
    "every statement of the answer stands in the passages that the last user message holds, or follows from them. "
    "10: all do, or the answer says that the passages do not tell. 0: it states something that they do not say. What "
    "is true but not in the passages counts as unsupported."
)


@dataclass(frozen=True, slots=True)
class GroundedAnswer:
    """What one answer rests on; None for what it says nothing about."""

    refused: bool
    k_precision: float | None = None
    bigrams: float | None = None
    supported: float | None = None


def grounding(
    answers: Sequence[str],
    passages: Sequence[Sequence[str]],
    questions: Sequence[str] | None = None,
    holds: Sequence[bool | None] | None = None,
    refusals: Sequence[str] = REFUSALS,
    clusters: Sequence[object] | None = None,
) -> GroundingFacts:
    """Support and refusals of `answers`, each with the texts of its passages and its question.

    `holds`: whether the passages hold the answer, None if that is not known. `clusters`: the group of each row, if
    there are groups. Each rate is {mean, low, high, rows} with a 95% interval, or None without a row to tell it from.
    Raises DataError for lists of different lengths.
    """
    if questions is None:
        questions = [""] * len(answers)
    if holds is None:
        holds = [None] * len(answers)
    if not len(answers) == len(passages) == len(questions) == len(holds):
        sizes = (len(answers), len(passages), len(questions), len(holds))
        raise DataError("answers, passages, questions and holds must be of one length", value=sizes)

    rows, absent, present = [], [], []
    for answer, texts, question, held in zip(answers, passages, questions, holds, strict=True):
        row = ground(answer, list(texts), question, refusals)
        rows.append(row)
        absent.append(_refused_if(row, held is False))
        present.append(_refused_if(row, bool(held)))

    precision = [row.k_precision for row in rows]
    bigrams = [row.bigrams for row in rows]
    supported = [row.supported for row in rows]
    return {
        "rows": len(answers),
        "refused": sum(row.refused for row in rows),
        "k_precision": share_with_interval(precision, clusters),
        "bigrams": share_with_interval(bigrams, clusters),
        "supported": share_with_interval(supported, clusters),
        "refusal_where_absent": share_with_interval(absent, clusters),
        "refusal_where_present": share_with_interval(present, clusters),
    }


def ground(answer: str, passages: Sequence[str], question: str, refusals: Sequence[str]) -> GroundedAnswer:
    """One answer against its passages. A refusal, and an answer without words, claims nothing."""
    refused = is_refusal(answer, refusals)
    if refused or not words_of(answer):
        return GroundedAnswer(refused)

    supported = None
    if unsupported(answer, []):  # it has content words
        supported = float(not unsupported(answer, [*passages, question]))
    return GroundedAnswer(refused, overlap(answer, passages), overlap(answer, passages, 2), supported)


def _refused_if(row: GroundedAnswer, counts: bool) -> float | None:
    if counts:
        return float(row.refused)
    return None


def overlap(answer: str, passages: Sequence[str], size: int = 1) -> float | None:
    """Share of the answer's runs of `size` words that the passages hold too, with repetition; None without a run."""
    given = Counter(_runs(answer, size))
    known: Counter[tuple[str, ...]] = Counter()
    for passage in passages:
        known.update(_runs(passage, size))
    if given:
        return (given & known).total() / given.total()
    return None


def unsupported(answer: str, texts: Sequence[str]) -> list[str]:
    """The content words of the answer that none of the texts has, in their order."""
    known: set[str] = set()
    for text in texts:
        known.update(words_of(text))
    return [word for word in words_of(answer) if word not in STOP_WORDS and word not in known]


def refusals_of(trained: str | None) -> tuple[str, ...]:
    """What a short answer without the answer says, by a model that was trained to say `trained`."""
    if trained:
        return (trained, *REFUSALS)
    return REFUSALS


def is_refusal(answer: str, refusals: Sequence[str] = REFUSALS) -> bool:
    """A short answer that holds one of `refusals` as whole words."""
    text = normalise(answer).replace("’", "'")
    if len(text.split()) > SHORT_REFUSAL:
        return False
    return any(re.search(rf"(?<!\w){re.escape(normalise(phrase))}(?!\w)", text) for phrase in refusals)


def passages_hold_answer(references: Sequence[str], passages: Sequence[Sequence[str]]) -> list[bool | None]:
    """Whether each row's passages contain its reference as a run of whole words; None for a reference without words.
    A passage hardly ever contains a free answer word for word: then this says little."""
    holds: list[bool | None] = []
    for reference, texts in zip(references, passages, strict=True):
        wanted = " ".join(words_of(reference))
        if wanted:
            holds.append(any(f" {wanted} " in f" {' '.join(words_of(text))} " for text in texts))
        else:
            holds.append(None)
    return holds


def judge_support(
    settings: SupportJudge,
    prompts: Sequence[list[Message]],
    answers: Sequence[str],
    rows: Sequence[Row],
    cache: Path | None,
    clusters: Sequence[object] | None = None,
) -> RateFacts | None:
    """Mean support from 0 to 1 that a judge gives to answers, of which the prompts hold the passages. Verdicts are kept
    in `cache`. Raises InputError and RunError as the judge does."""
    asked = Judge(
        url=settings.url,
        model=settings.model,
        question=QUESTION,
        key=settings.key,
        seconds=settings.seconds,
        retries=settings.retries,
    )

    return share_with_interval(JudgeReward(asked, cache)(prompts, answers, rows), clusters)


def _runs(text: str, size: int) -> list[tuple[str, ...]]:
    words = [word for word in words_of(text) if word not in ARTICLES]
    return [tuple(words[place : place + size]) for place in range(len(words) - size + 1)]


def share_with_interval(values: Sequence[float | None], clusters: Sequence[object] | None = None) -> RateFacts | None:
    """A mean with its 95% interval and the number of its rows; None without any. A row that says nothing is None."""
    places = [place for place, value in enumerate(values) if value is not None]
    known = [value for value in values if value is not None]
    if not known:
        return None

    known_clusters = None
    if clusters is not None:
        known_clusters = [clusters[place] for place in places]
    low, high = mean_interval(known, clusters=known_clusters)
    return {"mean": sum(known) / len(known), "low": low, "high": high, "rows": len(known)}
