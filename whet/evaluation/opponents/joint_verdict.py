"""One word from several comparisons. Pure: no model, no file, no randomness.

"better" is an intersection-union test (Berger 1982, doi:10.1080/00401706.1982.10487790): the null is that the tuned
model is no better than at least one opponent, it is rejected only where each comparison rejects its own at 5%, and so
the whole is wrong in at most 5% of cases, without a correction, however many opponents there are and however they
depend on each other. Where an opponent is not beaten, the word is that of the comparison with the strongest of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from whet.evaluation.opponents.opponent import Absent, Held
from whet.text.numbers import format_change, unit
from whet.types import Verdict


def strongest(held: Sequence[Held]) -> Held:
    """Of those that were not beaten, or else of all, the one with the smallest gain over it; of equal ones the first.

    By gains and not by scores, because an opponent may have been asked a sample of the rows."""
    left = [one for one in held if one.word != "better"] or list(held)
    return min(left, key=lambda one: one.difference.estimate)


def verdict_of(held: Sequence[Held]) -> Verdict:
    """The verdict over all opponents; its first sentence names the strongest. `held` has at least the base."""
    top = strongest(held)
    return Verdict(top.verdict.word, top.verdict.sentence + beside(held, top), top.verdict.rows_needed)


def beside(held: Sequence[Held], top: Held) -> str:
    """What was gained over the base as it is, where something else is stronger."""
    base = next((one for one in held if one.opponent.name == "base"), None)
    if base is None or base is top:
        return ""
    gain = format_change(base.difference.estimate, base.difference.scale)
    return f" Over {base.opponent.label}: {gain}{unit(base.difference.scale)}."


def against_facts(held: Sequence[Held], absent: Sequence[Absent]) -> dict[str, Any]:
    """The keys `against`, `strongest` and `not_asked` of a verdict."""
    return {
        "against": [one.facts() for one in held],
        "strongest": strongest(held).opponent.name,
        "not_asked": [asdict(one) for one in absent],
    }
