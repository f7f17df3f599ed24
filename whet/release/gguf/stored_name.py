"""The name of the model in the file, by which llama.cpp decides whether marks swallow the blanks behind them.

No key tells it; llama.cpp goes by `phi-3` or `phi3` in general.name (src/llama-vocab.cpp, per token attributes), so
that a run that only happens to be named so would get other tokens, or would not load.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

TRIGGERS = re.compile("phi(-?)3", re.IGNORECASE)
NEVER = {"<unk>", "<s>", "<|endoftext|>"}
"""Of Phi 3's, the marks that swallow nothing. These and </s> must be there."""


def stored_name(name: str, added: Collection[dict[str, Any]], tokens: Sequence[str]) -> str | None:
    """`name` changed so that llama.cpp treats blanks behind marks as the tokenizer does; None where no name does.
    `added` is that of tokenizer.json."""
    if any(token["lstrip"] for token in added):
        return None
    swallowing = {token["content"] for token in added if token["rstrip"]}
    if not swallowing:
        return TRIGGERS.sub(r"phi\g<1>_3", name)

    as_phi = {token["content"] for token in added} - NEVER
    if swallowing != as_phi or not {*NEVER, "</s>"} <= set(tokens):
        return None
    if TRIGGERS.search(name):
        return name
    return f"phi-3 {name}"
