"""Left-overs of web pages in plain text: tags (<br>, <p>, <a href=...>) and entities (&nbsp;, &amp;).

Why: the model learns to write them, and a user sees them as they are. What remains of a page's markup is the first
thing that the cleaning of web corpora takes out (Raffel et al. 2020, arXiv 1910.10683; Penedo et al. 2023, arXiv
2306.01116).

Example:
    {"prompt": "Opening hours?", "completion": "We open at 9.<br />Terms &amp; conditions apply."}

Fix: `--fix` resolves the entities, makes line ends of <br> and </p>, and takes the other tags out. Code in ``` fences
or `quotes` stays as it is, and a whole document stays too.

Sure: mostly. Rows about HTML that do not fence their code look the same: leave this check out there (--skip html).
Where more than half of the rows hold tags, that is how the answers are meant; it is then only mentioned.
"""

from __future__ import annotations

import html
import re

from whet.doctor.text_checks import TextCheck, excerpt
from whet.types import Finding, Row

TAGS = (
    "a|abbr|b|blockquote|br|center|dd|div|dl|dt|em|font|h[1-6]|hr|i|iframe|img|li|nav|ol|p|pre|script|section|small|"
    "span|strong|style|sub|sup|table|tbody|td|th|thead|tr|u|ul"
)
TAG = re.compile(rf"</?(?:{TAGS})(?:\s+[a-z-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))*\s*/?>", re.IGNORECASE)
ENTITY = re.compile(
    r"&(?:nbsp|amp|lt|gt|quot|apos|copy|reg|trade|hellip|mdash|ndash|[lr][sd]quo|bull|middot|euro|pound|deg|"
    r"[aeiouAEIOU](?:uml|acute|grave|circ)|szlig|ccedil|ntilde|#\d{2,6}|#x[0-9a-fA-F]{2,5});"
)
FENCED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
DOCUMENT = re.compile(r"\s*<(?:!doctype|html|svg|\?xml|head|body)\b", re.IGNORECASE)
BREAK = re.compile(
    r"[ \t]*<(?:br|hr)\s*/?>[ \t]*\n?|</(?:p|div|li|tr|h[1-6]|table|ul|ol|blockquote)\s*>", re.IGNORECASE
)
MEANT = 0.5
"""A share of rows from which on tags are the format of the answers."""


class Html(TextCheck):
    code = "html"
    severity = "warning"
    says = "holds|hold left-overs of HTML"
    remedy = "whet check DATA --fix OUT.jsonl makes plain text of them"

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def find(self, text: str) -> str:
        if not ("<" in text or "&" in text) or DOCUMENT.match(text):
            return ""
        found = TAG.search(text) or ENTITY.search(text)
        if found and "`" in text:
            text = FENCED.sub(" ", text)
            found = TAG.search(text) or ENTITY.search(text)

        if found:
            return excerpt(text, *found.span())
        return ""

    def inspect(self, row: Row) -> str:
        return super().inspect(row) or ""

    def record(self, index: int, where: str, found: str) -> None:
        self.seen += 1
        if found:
            super().record(index, where, found)

    def findings(self) -> list[Finding]:
        found = super().findings()
        if found and len(self.rows) > MEANT * self.seen > 1:
            found[0].severity, found[0].fix = "info", "nothing, where the answers are meant to be HTML"
        return found

    def fix(self, text: str) -> str:
        if not self.find(text):
            return text
        pieces, last = [], 0
        for kept in FENCED.finditer(text):
            pieces += [plain(text[last : kept.start()]), kept[0]]
            last = kept.end()
        return "".join([*pieces, plain(text[last:])]).strip()


def plain(text: str) -> str:
    """The words without tags; entities are resolved last, so that what they stand for is never taken for a tag."""
    text = TAG.sub("", BREAK.sub("\n", text))
    return ENTITY.sub(lambda match: html.unescape(match[0]).replace("\xa0", " "), text)
