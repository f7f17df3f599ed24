"""Answers that are written in another form than nearly all others: prose among JSON, an explanation after a label.

Why: a program reads the answers of a model that gives JSON or a label, and one answer in ten that it cannot read is one
failure in ten. The model learns the mixture as it is: format is what fine-tuning teaches fastest, from few examples
(Zhou et al. 2023, arXiv 2305.11206), and exact match counts every other form as wrong.

What is looked at: the last answer of each row, of a pair the chosen one. It is JSON (with these keys), JSON with words
around it, a list, code, a number, a label (at most four words, where few different ones make up most of the short
answers), or prose. Rows are named where at least four in five answers are JSON, numbers or labels and others are not.
JSON is also told apart by its keys, where at least four in five objects have the same.

Example:
    {"prompt": "Order 17 is broken.", "completion": "{\\"intent\\": \\"refund\\"}"}
    {"prompt": "Where is order 18?", "completion": "The customer asks about delivery, so: status."}

Fix: write all answers in one form.

Sure: of the form, yes. A task may have two forms on purpose.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict

from whet.doctor.check import RowCheck
from whet.doctor.text_checks import count_phrase
from whet.types import Finding, Row

MAIN = 0.8
LABEL_WORDS, LABELS = 4, 200
OFTEN = 2
"""A label occurs at least so often; what occurs once is a short answer."""
FEW = 20
STRICT = ("JSON", "number", "label")
NUMBER = re.compile(r"[-+]?[$€£]?\s?\d[\d.,]*\s?(?:%|[$€£])?")
NAMES = {"JSON+": "JSON with words around it"}


class MixedFormats(RowCheck):
    code = "mixed-formats"

    def __init__(self) -> None:
        self.rows: defaultdict[str, list[int]] = defaultdict(list)
        self.keys: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        self.short: defaultdict[str, list[int]] = defaultdict(list)
        """Rows by their short answer."""
        self.first: dict[str, str] = {}

    def inspect(self, row: Row) -> tuple[str, str, tuple[str, ...]] | None:
        answer = row.reference.strip()
        if answer and row.label is None:
            return form_of(answer)
        return None

    def record(self, index: int, where: str, found: tuple[str, str, tuple[str, ...]]) -> None:
        form, words, keys = found
        self.first.setdefault(form, where)

        if form == "label":
            if words in self.short or len(self.short) < 50 * LABELS:
                self.short[words].append(index)
                return

            form = "prose"

        if keys:
            self.keys[keys].append(index)
            self.first.setdefault(f"keys {keys}", where)

        self.rows[form].append(index)

    def findings(self) -> list[Finding]:
        forms = self._forms()
        total = sum(map(len, forms.values()))
        main = max(STRICT, key=lambda form: len(forms.get(form, [])))
        count = len(forms.get(main, []))
        found = []

        if total >= FEW and total > count >= MAIN * total:
            others = sorted(index for form, rows in forms.items() if form != main for index in rows)
            kinds = Counter({form: len(rows) for form, rows in forms.items() if form != main})
            listed = ", ".join(f"{NAMES.get(form, form)} {n:,}" for form, n in kinds.most_common(4))
            first = self.first[kinds.most_common(1)[0][0]]
            says = f"is|are not answered with {_article(main)}, as {100 * count / total:.0f}% are ({listed}; {first})"
            message, fix = count_phrase(len(others), says), "write all answers in one form"
            found.append(self.finding("warning", message, others, fix))

        return found + self._other_keys()

    def _forms(self) -> dict[str, list[int]]:
        """Rows by the form of their answer; short answers are labels where there are few different ones."""
        forms = {form: list(rows) for form, rows in self.rows.items()}
        short = [index for rows in self.short.values() for index in rows]
        often = [len(rows) for rows in self.short.values() if len(rows) >= OFTEN]
        labels = len(often) <= LABELS and sum(often) >= MAIN * len(short)

        if short:
            forms.setdefault("label" if labels else "prose", []).extend(short)
            self.first.setdefault("prose", self.first["label"])

        return forms

    def _other_keys(self) -> list[Finding]:
        total = sum(map(len, self.keys.values()))
        if total < FEW or len(self.keys) < 2:
            return []

        main = max(self.keys, key=lambda keys: len(self.keys[keys]))
        if len(self.keys[main]) < MAIN * total:
            return []
        rows = sorted(index for keys, rows in self.keys.items() if keys != main for index in rows)
        other = max((keys for keys in self.keys if keys != main), key=lambda keys: len(self.keys[keys]))
        differ = sorted(set(main) ^ set(other)) or list(other)
        says = f"has|have other keys in the JSON than the others ({', '.join(differ)}; {self.first[f'keys {other}']})"

        return [self.finding("warning", count_phrase(len(rows), says), rows, "give every object the same keys")]


def form_of(text: str) -> tuple[str, str, tuple[str, ...]]:
    """(form, the words of a label, the keys of an object)."""
    if "{" in text or text.startswith("["):
        form, keys = _json_form(text)
        if form:
            return form, "", keys

    if NUMBER.fullmatch(text):
        return "number", "", ()
    if "```" in text:
        return "code", "", ()
    if "\n" not in text and 0 < len(text.split()) <= LABEL_WORDS and len(text) <= 60:
        return "label", text.casefold().rstrip("."), ()

    lines = text.split("\n")
    if sum(bool(re.match(r"\s*(?:[-*•]|\d+[.)])\s", line)) for line in lines) > 1:
        return "list", "", ()
    return "prose", "", ()


def _json_form(text: str) -> tuple[str, tuple[str, ...]]:
    start = min(at for at in (text.find("{"), text.find("[")) if at >= 0)
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except ValueError:
        return "", ()

    if isinstance(value, dict):
        keys = tuple(sorted(value))
    else:
        keys = ()

    if not isinstance(value, dict | list) or not (keys or start == 0):
        return "", ()
    if start == 0 and end == len(text):
        return ("JSON", keys)
    return ("JSON+", ())


def _article(form: str) -> str:
    return form if form == "JSON" else f"a {form}"
