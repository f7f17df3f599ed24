"""Answers or questions in another language than nearly all others.

Why: rows that slipped in from another language teach to answer in it now and then. Language identification is the first
filter of every large corpus (Wenzek et al. 2020, arXiv 1911.00359), and audits show how often files hold other
languages than they say (Kreutzer et al. 2022, arXiv 2103.12028).

What is looked at: the first 90 letters and spaces of every question and every answer, each by itself, without code and
links, where they have at least 40 letters; py3langid (Lui and Baldwin 2012, https://aclanthology.org/P12-3005) names
the language where it is clearly ahead of the next. Rows are named for a language that fewer than one in twenty have,
next to one that at least four in five have. A set in several languages is only mentioned.

Example:
    {"prompt": "Where is my parcel?", "completion": "Ihr Paket ist unterwegs und kommt voraussichtlich morgen an."}

Fix: remove or translate the rows. Where the languages are meant, nothing is wrong; hold out test rows of each.

Sure: mostly. Names, quotations and closely related languages (Norwegian and Danish) can be mistaken.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from whet.doctor.analysis.languages import identifier
from whet.doctor.check import RowCheck
from whet.doctor.text_checks import answers_of, count_phrase
from whet.types import Finding, Row

LOOKED = 90
LETTERS = 40
BATCH = 1024
"""Texts whose languages are told at a time: all of a row that stays in memory until then."""
MAIN, RARE = 0.8, 0.05
SECOND = 0.1
"""A share from which on a language is there on purpose."""
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
NO_WORD = re.compile(r"[\d_=<>{}()\[\];@\\/|]")
"""Stands in links, names of code, formulas and numbers."""


class Language(RowCheck):
    code = "language"

    def __init__(self) -> None:
        self.rows: tuple[defaultdict[str, list[int]], ...] = (defaultdict(list), defaultdict(list))
        """Of questions and of answers: the rows by language."""
        self.first: dict[tuple[int, str], str] = {}
        self._waiting: list[tuple[int, str, int, str]] = []
        """Index, place, side and words of a text."""

    def inspect(self, row: Row) -> list[tuple[int, str]] | None:
        questions, answers = [], answers_of(row)
        if row.text is not None:
            answers = [row.text]
        else:
            questions = [str(turn.get("content") or "") for turn in row.messages if turn["role"] == "user"]

        telling: list[tuple[int, str]] = []
        for side, texts in enumerate((questions, answers)):
            telling += [(side, words) for words in map(telling_words, texts) if words]
        return telling or None

    def record(self, index: int, where: str, found: list[tuple[int, str]]) -> None:
        self._waiting += [(index, where, side, words) for side, words in found]
        if len(self._waiting) >= BATCH:
            self._identify()

    def _identify(self) -> None:
        languages = identifier().certain([words for _, _, _, words in self._waiting])
        for (index, where, side, _), language in zip(self._waiting, languages, strict=True):
            if language and self.rows[side][language][-1:] != [index]:
                self.rows[side][language].append(index)
                self.first.setdefault((side, language), where)
        self._waiting = []

    def findings(self) -> list[Finding]:
        self._identify()
        found = []
        for side, what in enumerate(("questions", "answers")):
            total = sum(map(len, self.rows[side].values()))
            shares = Counter({language: len(rows) for language, rows in self.rows[side].items()})
            if len(shares) < 2:
                continue

            main, count = shares.most_common(1)[0]
            several = [name for name, rows in shares.items() if rows >= SECOND * total]

            rare = [name for name, rows in shares.items() if rows < RARE * total]
            if count >= MAIN * total and rare:
                found.append(self._rare(side, what, main, rare))
            elif len(several) > 1:
                listed = ", ".join(f"{name} {100 * shares[name] / total:.0f}%" for name, _ in shares.most_common(5))
                fix = "nothing, where this is meant; otherwise keep one language"
                found.append(self.finding("info", f"the {what} are in several languages: {listed}", [], fix))

        return found

    def _rare(self, side: int, what: str, main: str, names: list[str]) -> Finding:
        rows = sorted(index for name in names for index in self.rows[side][name])
        listed = ", ".join(f"{name}: {self.first[side, name]}" for name in sorted(names)[:4])
        says = f"has|have {what} in another language than the others ({main}): {listed}"
        return self.finding("warning", count_phrase(len(rows), says), rows, "translate or remove these rows")


def telling_words(text: str) -> str:
    """The words that tell the language of a text; empty where they are too few."""
    if "`" in text:
        text = CODE.sub(" ", text)
    words = " ".join(word for word in text[: 4 * LOOKED].split() if not NO_WORD.search(word))[:LOOKED]
    if sum(map(str.isalpha, words)) >= LETTERS:
        return words
    return ""
