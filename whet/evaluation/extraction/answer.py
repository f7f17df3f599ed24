"""What a model meant: the answer taken out of what it wrote, and whether it stood in the form that programs need.

The rules never see the reference, so whoever lists every answer gains nothing: what is taken out is one fixed thing, or
none. They are the same for base, tuned model and every opponent, and an answer that is right as it stands stays right.

    json          the answer as it stands; else the first balanced {...} in it that parses, whatever stands around it
                  (a fence, prose, a list). An object that the prompt holds word for word is a quotation and passed
                  over, and {} counts only where there is no other. What does not parse is not repaired.
    accuracy      the label that the answer is, or names (whet/evaluation/extraction/label.py); two different ones are
    none final-answer  the result that the answer states (whet/evaluation/extraction/result.py): #### line, \\boxed{},
    "the answer is 42",
                  last number
    exact-match   the answer without fence, quotes, bold, prefix ("Answer:") and final period; else the one known
                  reference that it names; else the answer as it stands

In form is: parses as it stands; is a label; has a line with ####; is a plain answer no longer than the longest known
reference, of which nothing had to be taken away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from whet.errors import InputError, nearest
from whet.evaluation.extraction.label import named, vocabulary
from whet.evaluation.extraction.result import stated
from whet.evaluation.extraction.wrapping import after_cue, unwrapped
from whet.rewards.json_match import parse_object, refuse_constant
from whet.text.normalise import final_answer, normalise
from whet.types import Row

MOST_STARTS = 100
"""Braces of one answer that are tried as the beginning of an object."""
AS_IT_STANDS = "as it stands"


@dataclass(frozen=True, slots=True)
class Extracted:
    content: str | None
    """What the metric can score; None where no answer was found."""
    in_form: bool
    how: str
    """Where it was found, in words."""


def has_content(metric_name: str) -> bool:
    """Whether answers under this metric have a content apart from their form."""
    return metric_name in EXTRACTORS


def extract(metric_name: str, answer: str, row: Row, known: Collection[str]) -> Extracted:
    """`known` are the labels, or for other metrics the references, of all rows (`known_answers`). Raises InputError for
    a metric under which nothing can be taken out."""
    if metric_name not in EXTRACTORS:
        fix = f"use one of: {', '.join(EXTRACTORS)}"
        raise InputError(f"no answer can be taken out for {metric_name!r}{nearest(metric_name, EXTRACTORS)}", fix=fix)
    return EXTRACTORS[metric_name](answer.strip(), row, known)


def known_answers(metric_name: str, rows: Collection[Row]) -> tuple[str, ...]:
    """What answers may be, from all rows that are scored: labels, results after ####, or references."""
    found: dict[str, None] = {}
    for row in rows:
        if metric_name == "accuracy":
            found[row.label or row.reference] = None
        else:
            found[(final_answer(row.reference) or "") if metric_name == "final-answer" else row.reference] = None
    return tuple(one for one in found if one.strip())


def extract_json(answer: str, row: Row, known: Collection[str]) -> Extracted:
    if parse_object(answer) is not None:
        return Extracted(answer, True, AS_IT_STANDS)
    prompt = "\n".join(str(message.get("content") or "") for message in row.prompt)

    empty = None
    for text in objects_in(answer):
        if text in prompt and len(text) > len("{}"):
            continue
        if parse_object(text):
            return Extracted(text, False, "an object within the answer")
        empty = text

    return Extracted(empty, False, "an empty object within the answer" if empty else "no object that parses")


def objects_in(text: str) -> list[str]:
    """Every outermost {...} that is a JSON object, in order; braces within strings are not counted."""
    decoder = json.JSONDecoder(parse_constant=refuse_constant)
    found, place = [], 0
    for _ in range(MOST_STARTS):
        place = text.find("{", place)
        if place < 0:
            break

        try:
            _, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place += 1
            continue

        if parse_object(text[place:end]) is not None:  # refuses repeated keys, too
            found.append(text[place:end])
        place = end

    return found


def extract_label(answer: str, row: Row, known: Collection[str]) -> Extracted:
    label, how = named(answer, vocabulary(tuple(known)))
    return Extracted(label, label is not None and normalise(answer) == normalise(label), how)


def extract_final(answer: str, row: Row, known: Collection[str]) -> Extracted:
    result, how = stated(answer)
    return Extracted(None if result is None else f"#### {result}", final_answer(answer) is not None, how)


def extract_exact(answer: str, row: Row, known: Collection[str]) -> Extracted:
    words = vocabulary(tuple(known))
    if normalise(answer) in words.exact:
        return Extracted(answer, True, AS_IT_STANDS)

    plain = unwrapped(answer)
    whole = after_cue(plain)

    taken = whole[-1] if whole else plain
    if normalise(taken) not in words.exact:
        label, how = named(taken, words)
        if label is not None:
            return Extracted(label, False, how)

    longest = max((len(one.strip()) for one in known), default=0)
    as_is = normalise(taken) == normalise(answer) and not re.search(r"\n", answer)
    in_form = as_is and bool(answer) and len(answer) <= longest

    if as_is:
        how = AS_IT_STANDS
    else:
        how = "without what stands around it"

    return Extracted(taken or None, in_form, how if taken else "empty")


EXTRACTORS: dict[str, Callable[[str, Row, Collection[str]], Extracted]] = {
    "json": extract_json,
    "accuracy": extract_label,
    "final-answer": extract_final,
    "exact-match": extract_exact,
}
