"""Answers that refuse: "I'm sorry, but I can't assist with that."

Why: refusals that slipped in among answers (a filter of the model that wrote the data, a question without its context)
teach the tuned model to refuse what it should answer. Over-refusal is easy to teach: a few hundred safety examples make
a model refuse harmless questions that look alike (Röttger et al. 2024, arXiv 2308.01263; Bianchi et al. 2024, arXiv
2309.07875).

Example:
    {"prompt": "Write a poem about my cat.", "completion": "I'm sorry, but I can't assist with that request."}

Fix: answer these rows, or remove them. `--fix` leaves them alone, because a task may need its refusals.

Sure: of the words, yes; whether the refusal is wanted, only you can tell.
"""

from __future__ import annotations

import re

from whet.doctor.text_checks import TextCheck, answers_of, excerpt
from whet.types import Row

CANNOT = r"(?:can(?:no|')t|can not|am (?:not able|unable) to|'m (?:not able|unable) to|won't|will not|must decline to)"
DO = (
    r"(?:(?:assist|help)(?: you)?(?: with)?\b|fulfil?l|comply|provide|complete|answer|do that|"
    r"create|generate|write|discuss|engage|offer|support|continue)"
)
PATTERN = re.compile(
    rf"^\W*(?:(?:I(?:'m| am) (?:(?:very|so|really) )?sorry|sorry|(?:my )?apologies|I apologi[sz]e|"
    rf"unfortunately)\b[^.\n]{{0,60}}?"
    rf"\bI {CANNOT} {DO}|I(?: am|'m)?(?: sorry)?,? ?(?:but )?I? ?{CANNOT} {DO})",
    re.IGNORECASE,
)
OPENING = 200
"""Characters in which a refusal says so."""


class Refusal(TextCheck):
    code = "refusal"
    severity = "info"
    says = "refuses|refuse to answer"
    remedy = "where the refusal is not what you want to teach, answer the rows or remove them"

    def texts(self, row: Row) -> list[str]:
        return answers_of(row)

    def find(self, text: str) -> str:
        found = PATTERN.search(text[:OPENING].replace("’", "'"))
        if found:
            return excerpt(text, *found.span())
        return ""
