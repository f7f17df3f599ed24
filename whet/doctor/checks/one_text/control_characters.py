"""Characters that nobody sees: control characters, zero-width spaces, marks that turn the direction of writing.

Why: the tokenizer sees them. A word with a zero-width space in it becomes other tokens, so what is learned does not
help the same word typed by a user; one such character is enough to change what a model answers (Boucher et al. 2022,
arXiv 2106.09898), and marks of direction make a text read otherwise than it is (Boucher and Anderson 2023, arXiv
2111.00169). They come from PDF files, web pages and terminals.

Example:
    {"prompt": "Where is my par\\u200bcel?", "completion": "On its way.\\u0007"}

Fix: `--fix` takes them out. Joiners stay where scripts need them (Persian, Hindi, emoji), and so do tabs and line ends.

Sure: yes. Only logs and terminal recordings hold them on purpose.
"""

from __future__ import annotations

import re

from whet.doctor.text_checks import TextCheck, excerpt

CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
UNSEEN = "\u00ad\u180e\u200b\u2060-\u2064\ufeff\U000e0001\U000e0020-\U000e007f"
TURNING = "\u202a-\u202e\u2066-\u2069"
JOINED = r"(?<=[\x20-\u024f])[\u200c\u200d](?=[\x20-\u024f])"
"""Joiners between Latin letters join nothing."""
FLAG = "\U0001f3f4[\U000e0020-\U000e007f]+"
"""A flag of a region (Scotland) is written with tag characters."""
PATTERN = re.compile(f"(?P<keep>{FLAG})|[{CONTROL}{UNSEEN}{TURNING}]|{JOINED}")
ASCII = re.compile(f"[{CONTROL}]")
TERMINAL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""Colours and movements of a terminal go as a whole."""


class ControlCharacters(TextCheck):
    code = "control-characters"
    severity = "warning"
    says = "holds|hold characters that nobody sees"
    remedy = "whet check DATA --fix OUT.jsonl takes them out"

    def find(self, text: str) -> str:
        if text.isascii() and not ASCII.search(text):
            return ""
        for match in PATTERN.finditer(text):
            if not match["keep"]:
                return f"U+{ord(match[0]):04X} in {ascii(excerpt(text, *match.span()))}"
        return ""

    def fix(self, text: str) -> str:
        if text.isascii() and not ASCII.search(text):
            return text
        return PATTERN.sub(lambda match: match["keep"] or "", TERMINAL.sub("", text))
