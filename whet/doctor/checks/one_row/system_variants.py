"""System prompts that differ a little from the one that most rows have.

Why: a model answers differently to prompts that differ in a space or a word (Sclar et al. 2024, arXiv 2310.11324), and
what is learned under one prompt is learned a little less under another; the one that will be served should be the one
that all rows have. Variants come from edits in the course of collecting.

What is looked at: variants that are at least 80% alike (difflib, over words) to one that at least five times as many
rows have. Prompts that hold a name or a date, different in every row, are none.

Example:
    {"messages": [{"role": "system", "content": "You are a helpful clerk."}, ...]}
    {"messages": [{"role": "system", "content": "You are a helpfull clerk"}, ...]}

Fix: `--fix` puts the usual one in the place of its variants.

Sure: that they differ, yes. Two prompts for two tasks can be nearly alike on purpose: look at the variants first.
"""

from __future__ import annotations

from array import array
from difflib import SequenceMatcher

from whet.doctor.check import RowCheck
from whet.doctor.text_checks import count_phrase, excerpt
from whet.types import Finding, Row

ALIKE = 0.8
TIMES = 5
MOST_PROMPTS = 500
"""Different prompts beyond which they hold something of their row, and are no variants."""
ROLES = ("system", "developer")


class SystemVariants(RowCheck):
    code = "system-variants"

    def __init__(self) -> None:
        self.rows: dict[str, array[int]] = {}
        self.first: dict[str, str] = {}
        self.many = False
        self.usual: dict[str, str] | None = None

    def inspect(self, row: Row) -> str | None:
        first = row.messages[0] if row.messages else {}
        content = first.get("content")
        if first.get("role") in ROLES and isinstance(content, str):
            return content
        return None

    def record(self, index: int, where: str, found: str) -> None:
        if self.many:
            return
        if found not in self.rows:
            self.rows[found], self.first[found] = array("q"), where
        self.rows[found].append(index)
        if len(self.rows) > MOST_PROMPTS:
            self.many = True
            self.rows.clear()

    def variants(self) -> dict[str, str]:
        """Each variant with the prompt that is meant."""
        if self.usual is None:
            often = sorted(self.rows, key=lambda prompt: -len(self.rows[prompt]))
            pairs = ((prompt, self._meant(prompt, often)) for prompt in often)
            self.usual = {prompt: meant for prompt, meant in pairs if meant is not None}
        return self.usual

    def _meant(self, prompt: str, often: list[str]) -> str | None:
        enough = TIMES * len(self.rows[prompt])
        common = (other for other in often if len(self.rows[other]) >= enough)
        return next((other for other in common if alike(prompt, other)), None)

    def findings(self) -> list[Finding]:
        found = self.variants()
        if not found:
            return []
        rows = sorted(index for prompt in found for index in self.rows[prompt])
        prompt, meant = next(iter(found.items()))
        at = next((n for n, (one, other) in enumerate(zip(prompt, meant, strict=False)) if one != other), len(meant))
        shown = f"{len(found)} variants, such as {excerpt(prompt, at, at)!r} for {excerpt(meant, at, at)!r}"
        says = f"has|have a system prompt that differs a little from the usual one ({shown}: {self.first[prompt]})"
        fix = "whet check DATA --fix OUT.jsonl puts the usual one in its place"

        return [self.finding("warning", count_phrase(len(rows), says), rows, fix)]

    def fix(self, text: str) -> str:
        return self.variants().get(text, text)


def alike(one: str, other: str) -> bool:
    """Whether most words are the same, in the same order."""
    matcher = SequenceMatcher(None, one.split(), other.split(), autojunk=False)
    if matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE:
        return True
    letters = SequenceMatcher(None, one, other, autojunk=False)
    short = len(one) + len(other) < 1000  # by letters, short prompts of few words are compared more finely
    return short and letters.quick_ratio() >= 0.9 and letters.ratio() >= 0.9
