"""Are answers supported by the passages that stood in the prompt, and are they refused where the passages lack them?

    k_precision   share of the answer's words that stand in its passages, counted with repetition: K-Precision of
                  Adlakha et al. 2023 (arXiv 2307.16877), over words as the retriever cuts them, without articles.
    bigrams       the same over pairs of neighbouring words, harder to find by chance; without one-word answers
    supported     share of answers whose every content word stands in the passages or in the question. Content words
                  are words and numbers but those of STOP_WORDS (English; in other languages every word counts, which
                  makes the measure strict); an answer without any is left out.

An answer that only refuses claims nothing, so it counts in the refusal rates and nowhere else. Words that agree are
not yet sentences that agree: "not at nine" is supported by "at nine, not at ten". A judge (`judged`) reads sentences.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whet.data.retrieval.retrievers import words_of
from whet.errors import DataError
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


def grounding(
    answers: Sequence[str],
    passages: Sequence[Sequence[str]],
    questions: Sequence[str] | None = None,
    holds: Sequence[bool | None] | None = None,
    refusals: Sequence[str] = REFUSALS,
    clusters: Sequence[object] | None = None,
) -> dict[str, Any]:
    """Support and refusals of `answers`, each with the texts of its passages and its question.

    `holds`: whether the passages hold the answer, None where that is not known. `clusters`: the group of each row,
    where there are groups. Each rate is {mean, low, high, rows} with a 95% interval, or None without a row to tell it
    from. Raises DataError for lists of different lengths.
    """
    if questions is None:
        questions = [""] * len(answers)
    else:
        questions = questions

    if holds is None:
        holds = [None] * len(answers)
    else:
        holds = holds

    if not len(answers) == len(passages) == len(questions) == len(holds):
        sizes = (len(answers), len(passages), len(questions), len(holds))
        raise DataError("answers, passages, questions and holds must be of one length", value=sizes)

    refused = [is_refusal(answer, refusals) for answer in answers]
    told = [n for n, answer in enumerate(answers) if not refused[n] and words_of(answer)]
    texts = {n: list(passages[n]) for n in told}
    supported = {
        n: float(not unsupported(answers[n], [*texts[n], questions[n]])) for n in told if unsupported(answers[n], [])
    }
    found: dict[str, dict[int, float | None]] = {
        "k_precision": {n: overlap(answers[n], texts[n]) for n in told},
        "bigrams": {n: overlap(answers[n], texts[n], 2) for n in told},
        "supported": {**supported},
        "refusal_where_absent": {n: float(refused[n]) for n, held in enumerate(holds) if held is False},
        "refusal_where_present": {n: float(refused[n]) for n, held in enumerate(holds) if held},
    }
    rates = {}
    for name, of in found.items():
        rates[name] = share_with_interval([of.get(n) for n in range(len(answers))], clusters)

    return {"rows": len(answers), "refused": sum(refused), **rates}


def overlap(answer: str, passages: Sequence[str], size: int = 1) -> float | None:
    """Share of the answer's runs of `size` words that the passages hold too, with repetition; None without a run."""
    given = Counter(_runs(answer, size))
    known = Counter(run for passage in passages for run in _runs(passage, size))
    if given:
        return (given & known).total() / given.total()
    return None


def unsupported(answer: str, texts: Sequence[str]) -> list[str]:
    """The content words of the answer that stand in none of the texts, in their order."""
    known = {word for text in texts for word in words_of(text)}
    return [word for word in words_of(answer) if word not in STOP_WORDS and word not in known]


def is_refusal(answer: str, refusals: Sequence[str] = REFUSALS) -> bool:
    """A short answer that holds one of `refusals` as whole words."""
    text = normalise(answer).replace("’", "'")
    if len(text.split()) > SHORT_REFUSAL:
        return False
    return any(re.search(rf"(?<!\w){re.escape(normalise(phrase))}(?!\w)", text) for phrase in refusals)


def passages_hold_answer(references: Sequence[str], passages: Sequence[Sequence[str]]) -> list[bool | None]:
    """Whether each row's reference stands in its passages as a run of whole words; None for a reference without
    words. A free answer hardly ever stands in a passage word for word: then this says little."""
    found: list[bool | None] = []
    for reference, texts in zip(references, passages, strict=True):
        wanted = " ".join(words_of(reference))
        found.append(any(f" {wanted} " in f" {' '.join(words_of(text))} " for text in texts) if wanted else None)
    return found


def judge_support(
    settings: SupportJudge,
    prompts: Sequence[list[Message]],
    answers: Sequence[str],
    rows: Sequence[Row],
    cache: Path | None,
    clusters: Sequence[object] | None = None,
) -> dict[str, Any] | None:
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


def share_with_interval(
    values: Sequence[float | None], clusters: Sequence[object] | None = None
) -> dict[str, Any] | None:
    """A mean with its 95% interval and the number of its rows; None without any. A row that says nothing is None."""
    told = [n for n, value in enumerate(values) if value is not None]
    found = [value for value in values if value is not None]
    if not found:
        return None
    low, high = mean_interval(found, clusters=None if clusters is None else [clusters[n] for n in told])
    return {"mean": sum(found) / len(found), "low": low, "high": high, "rows": len(found)}
