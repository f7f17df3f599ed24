"""One word from several comparisons. Pure: no model, no file, no randomness.

"better" is an intersection-union test (Berger 1982, doi:10.1080/00401706.1982.10487790): the null is that the tuned
model is no better than at least one opponent, it is rejected only where each comparison rejects its own at 5%, and so
the whole is wrong in at most 5% of cases, without a correction, however many opponents there are and however they
depend on each other. Where an opponent is not beaten, the word is that of the comparison with the strongest of those.
"""

from __future__ import annotations

from collections.abc import Sequence

from whet.evaluation.facts import VerdictFacts
from whet.evaluation.opponents.opponent import Absent, Held
from whet.text.numbers import format_change, unit
from whet.types import Verdict


def strongest(held: Sequence[Held]) -> Held:
    """Of those that were not beaten, or else of all, the one with the smallest gain over it; of equal ones the first.

    By gains and not by scores, because an opponent may have been asked a sample of the rows."""
    unbeaten = [each for each in held if each.word != "better"]
    return min(unbeaten or held, key=lambda each: each.difference.estimate)


def verdict_of(held: Sequence[Held]) -> Verdict:
    """The verdict over all opponents; its first sentence names the strongest. `held` has at least the base."""
    top = strongest(held)
    return Verdict(top.verdict.word, top.verdict.sentence + beside(held, top), top.verdict.rows_needed)


def beside(held: Sequence[Held], top: Held) -> str:
    """What was gained over the base as it is, if something else is stronger; else ""."""
    base = next((each for each in held if each.opponent.name == "base"), None)
    if base is None or base is top:
        return ""
    gain = format_change(base.difference.estimate, base.difference.scale)
    return f" Over {base.opponent.label}: {gain}{unit(base.difference.scale)}."


def add_opponents(verdict: VerdictFacts, held: Sequence[Held], absent: Sequence[Absent]) -> None:
    """Writes the keys `against`, `strongest` and `not_asked` of a verdict."""
    verdict["against"] = [each.facts() for each in held]
    verdict["strongest"] = strongest(held).opponent.name
    verdict["not_asked"] = [each.facts() for each in absent]
