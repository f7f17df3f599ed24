"""An answer without what is written around it: code fence, quotes, markdown bold, a prefix, a final period."""

from __future__ import annotations

import re

NOUN = (
    r"answer|label|category|class|classification|intent|intention|sentiment|topic|type|tag|result|output|prediction|"
    r"response|reply|solution"
)
BEFORE = r"(?:the|your|my|this|its|final|correct|right|predicted|best|overall|most likely)"
CUE = re.compile(
    rf"(?<!\w)(?:\*\*|__)?(?:{BEFORE}\s+)*(?:{NOUN})(?:\s+(?:here|to the question|for this \w+))?(?:\*\*|__)?"
    rf"\s*(?:(?:is|would be|should be|:|=|->|→)(?:\*\*|__)?\s*)+",
    re.IGNORECASE,
)
FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)
PAIRS = (("**", "**"), ("__", "__"), ("*", "*"), ("`", "`"), ('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("«", "»"))
"""What may stand before and after a whole answer."""


def unwrapped(text: str) -> str:
    """Layer by layer, until nothing more can be taken away; a text that is nothing but wrapping becomes empty."""
    fences = FENCE.findall(text)
    text = fences[0] if len(fences) == 1 else text

    before = None
    while before != text:
        before = text
        text = text.strip()
        prefix = CUE.match(text)

        text = text[prefix.end() :] if prefix else text
        for start, end in PAIRS:
            inner = text[len(start) : len(text) - len(end)]
            around = text.startswith(start) and text.endswith(end)
            if around and inner and start not in inner:
                text = inner

        if not text.endswith(".."):
            text = text.removesuffix(".")

    return text


def after_cue(text: str) -> list[str]:
    """What follows each "the answer is", "Label:" and the like, up to the end of its line."""
    return [unwrapped(text[cue.end() :].split("\n", 1)[0]) for cue in CUE.finditer(text)]
