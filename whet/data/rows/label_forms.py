"""Labels that differ in case, spaces or Unicode form only: to a model they are different classes, to people one."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from whet.text.normalise import one_line

MOST_LABELS = 50_000
"""Of more different labels nobody asks whether two are the same: they are texts."""
PLAIN = str.maketrans("\u2018\u2019\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2212", "''\"\"------", "\u0307")
"""Quotes and hyphens of word processors, and the dot that is left of a Turkish capital I."""
NAMED = 3
"""Groups in a sentence."""


def folded(label: str) -> str:
    """What two forms of one label have in common: NFKC, lower case, single spaces, plain quotes and hyphens, nothing
    that nobody sees (U+200B)."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold()).translate(PLAIN)
    if not plain.isascii():
        plain = "".join(letter for letter in plain if unicodedata.category(letter) != "Cf")
    return one_line(plain)


def groups(rows_of: Mapping[str, int]) -> list[list[str]]:
    """Labels that are several forms of one, the form of most rows first; the groups of most rows first. `rows_of` says
    how many rows have each label."""
    found: dict[str, list[str]] = {}
    for label in rows_of:
        found.setdefault(folded(label), []).append(label)

    def rows(forms: list[str]) -> int:
        return sum(rows_of[form] for form in forms)

    several = [sorted(forms, key=lambda form: (-rows_of[form], form)) for forms in found.values() if len(forms) > 1]
    return sorted(several, key=lambda forms: (-rows(forms), forms[0]))


def joined(rows_of: Mapping[str, int]) -> dict[str, str]:
    """The form that stands for each label that has several, by its folded form."""
    return {folded(forms[0]): forms[0] for forms in groups(rows_of)}


def told(rows_of: Mapping[str, int], together: bool) -> list[str]:
    """A sentence for people; none where every label has one form. `together`: the recipe joins them."""
    found = groups(rows_of)
    if not found:
        return []

    examples = []
    for forms in found[:NAMED]:
        examples.append(" and ".join(f"{form!r} ({rows_of[form]:,})" for form in forms))
    named, more = "; ".join(examples), ""
    if len(found) > NAMED:
        more = f"; and {len(found) - NAMED} more such labels"

    if together:
        what = "Labels that differ in case or Unicode form only are one class, named by its commonest form"
        return [f"{what}: {named}{more}."]

    return [
        f"Labels that differ in case or Unicode form only are learned as different classes: {named}{more}. Write them "
        "alike, or make them one class: join_labels: true."
    ]
