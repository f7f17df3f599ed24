"""Text that was read in the wrong encoding ("donâ€™t", "MÃ¼ller"), or characters that were lost on the way ("�").

Why: the model learns the damage as it learns anything else, and writes it. It is common wherever exports, spreadsheets
and web pages meet: ftfy, which finds and undoes it here, was written for the same faults in web text
(https://ftfy.readthedocs.io/en/latest/heuristic.html), and language identification and filters of large corpora
stumble over them (Kreutzer et al. 2022, arXiv 2103.12028).

Example:
    {"prompt": "Kann ich den KÃ¼hler zurÃ¼ckgeben?", "completion": "Ja, innerhalb von 30 Tagen."}

Fix: `--fix` undoes it, where every step can be undone. A "�" says that a character is lost: export the data again.

Sure: nearly always. What is repaired is text that can only have come about by a wrong decoding; whoever writes about
mojibake on purpose will have that text repaired, too.
"""

from __future__ import annotations

import re
from functools import lru_cache

import ftfy
from ftfy.badness import is_bad
from ftfy.fixes import fix_c1_controls

from whet.doctor.text_checks import TextCheck, excerpt

LOST = "�"
C1 = re.compile(r"[\x80-\x9f]")


class Mojibake(TextCheck):
    code = "mojibake"
    severity = "warning"
    says = "holds|hold text that was read in the wrong encoding"
    remedy = "whet check DATA --fix OUT.jsonl undoes it; where a character is lost (�), export the data again"

    def find(self, text: str) -> str:
        if text.isascii():
            return ""
        if (at := text.find(LOST)) >= 0:
            return excerpt(text, at, at + 1)
        if not (C1.search(text) or is_bad(text)) or (mended := repaired(text)) == text:
            return ""
        at = next((n for n, (one, other) in enumerate(zip(text, mended, strict=False)) if one != other), 0)
        return excerpt(text, at, at + 8)

    def fix(self, text: str) -> str:
        if text.isascii() or not (C1.search(text) or is_bad(text)):
            return text
        return repaired(text)


@lru_cache(maxsize=1024)
def repaired(text: str) -> str:
    """The text as it was meant, where that is certain; line by line, because lines may come from several sources."""
    return "\n".join(fix_c1_controls(ftfy.fix_encoding(line)) for line in text.split("\n"))
