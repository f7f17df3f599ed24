"""Answers that stop in the middle: of a sentence, of JSON, of a block of code.

Why: the end of an answer is learned like its words: a model that was shown ends in the middle of sentences learns that
any place is good to stop (Newman et al. 2020, arXiv 2010.07174, on what the end token teaches). Such rows are mostly
those that hit the token limit of the model that wrote them.

What is looked at: JSON that begins and does not parse, a ``` that is not closed, a last word that cannot be the last
("the", "and", a comma); and, where at least nineteen of twenty answers of some length end with a sign (. ! ? : ) " and
the like), those that end without any. An item of a list needs a sign only where the items before it have one; a link
needs none.

Example:
    {"prompt": "How do I descale it?", "completion": "Fill the tank with equal parts of water and vinegar, then"}

Fix: complete the answers or write them anew with a higher limit. `--fix` leaves the rows out.

Sure: of JSON, fences and words that cannot be last, nearly always; of a missing last sign, where nearly all others have
one.
"""

from __future__ import annotations

import json
import re

from whet.doctor.text_checks import ExampleCheck, answers_of, excerpt
from whet.types import Finding, Row

ENDED, OPEN, CUT = "ended", "open", "cut"
LONG = 60
"""Characters from which on an answer is taken for sentences; shorter ones are labels, names, numbers."""
END = 200
"""Characters at the end in which a link is looked for: longer ones are no links."""
RARE = 0.05
"""Ends without a sign are told where they are rarer than this."""
MIDDLE = re.compile(
    r"(?:[,(\[{&+=-]|(?<![\w'-])(?:a|an|the|and|or|but|nor|of|to|in|on|at|by|for|from|with|without|into|onto|as|if|"
    r"than|that|which|who|"
    r"whose|because|while|when|where|is|are|was|were|be|been|has|have|had|will|would|can|could|should|may|might|must|"
    r"your|our|their|its|my|his|her|this|these|those|very|such|und|oder|der|die|das|ein|eine|et|ou|le|la|les|un|une|"
    r"de|du|des|que|y|el|los|las|con|por|para))\Z"
)
SENTENCE = re.compile(r"[.!?][\"')]?\s+[\"'(]?[^\W\d_]|\n```\n\s*\n[^\W\d_][^:\n]*\Z")
"""What is written in sentences has the end of one before its own, or a block of code; code, names and lists have none.
A colon in the words after the block makes them a result: "Output: 5"."""
LINK = re.compile(r"\S*(?:://|@|\w/\w)\S*\Z")
ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s[^\n]*", re.MULTILINE)
LAST = re.compile(r"[\w%°€$£]\Z")


class Truncated(ExampleCheck):
    code = "truncated"
    says = "stops|stop in the middle of the answer"
    remedy = "complete the answers, or leave the rows out: whet check DATA --fix OUT.jsonl"

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0
        self.open: list[tuple[int, str]] = []

    def inspect(self, row: Row) -> tuple[str, str] | None:
        answers = answers_of(row)
        if not answers or row.text is not None:
            return None

        ways = [end_of(text.rstrip()) for text in answers]
        for way in (CUT, OPEN, ENDED):
            if way in ways:
                text = answers[ways.index(way)].rstrip()
                return way, excerpt(text, len(text), len(text)) if way != ENDED else ""

        return None

    def record(self, index: int, where: str, found: tuple[str, str]) -> None:
        way, shown = found
        if way == CUT:
            super().record(index, where, shown)
        elif way == OPEN:
            self.open.append((index, f"{where}: {shown}"))
        else:
            self.ended += 1

    def findings(self) -> list[Finding]:
        self._judge()
        return super().findings()

    def drops(self) -> list[int]:
        self._judge()
        return self.rows

    def _judge(self) -> None:
        """Ends without a sign join the others where they are rare."""
        if len(self.open) <= RARE * (len(self.open) + self.ended):
            self.rows = sorted([*self.rows, *(index for index, _ in self.open)])
            self.example = self.example or (self.open[0][1] if self.open else "")
            self.open = []


def end_of(text: str) -> str:
    """How a text ends; empty for one that has no sentence."""
    if text[:1] in ("{", "[") and not _whole_json(text):
        return CUT
    if text.count("```") % 2:
        return CUT
    if len(text) < LONG or text.endswith("```"):
        return ""
    if MIDDLE.search(text[-20:]):
        return CUT
    if not LAST.search(text) or LINK.search(text[-END:]):
        return ENDED

    items = list(ITEM.finditer(text))
    if items and items[-1].end() == len(text):
        earlier = [item.group() for item in items[:-1]]
        if earlier and not any(LAST.search(item) for item in earlier):
            return OPEN
        return ENDED

    return OPEN if SENTENCE.search(text) else ENDED


def _whole_json(text: str) -> bool:
    """Whether what begins like JSON is; a text in brackets that is none ("[Hello] ...") counts as whole."""
    if not re.match(r"\{\s*(?:\"|\Z)|\[\s*(?:[\[{\"]|-?\d+\s*,)", text):
        return True
    try:
        json.JSONDecoder().raw_decode(text)
    except ValueError:
        return False
    return True
