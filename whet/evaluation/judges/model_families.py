"""Which models are relatives: by the names that their makers give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

FAMILIES = {
    "qwen": ("qwen", "qwq"),
    "llama": ("llama", "vicuna", "tulu", "hermes"),
    "mistral": ("mistral", "mixtral", "ministral", "magistral", "codestral", "devstral"),
    "gemma": ("gemma", "gemini", "palm"),
    "gpt": ("gpt", "chatgpt", "davinci", "o1", "o3", "o4"),
    "claude": ("claude",),
    "deepseek": ("deepseek",),
    "phi": ("phi",),
    "smollm": ("smollm",),
    "olmo": ("olmo",),
    "granite": ("granite",),
    "falcon": ("falcon",),
    "command": ("command", "aya"),
    "glm": ("glm", "chatglm"),
    "yi": ("yi",),
    "nemotron": ("nemotron",),
    "pythia": ("pythia", "neox"),
    "bloom": ("bloom", "bloomz"),
    "kimi": ("kimi",),
    "grok": ("grok",),
    "nano": ("nano",),
}


def family_of(name: str) -> set[str]:
    """The families that a model's name speaks of; a distilled model may have two. `gpt-4.1-nano` is no `nano`."""
    words = re.findall(r"[a-z]+\d*|\d+", name.lower())
    stems = set(words) | {word.rstrip("0123456789") for word in words}
    found = {family for family, names in FAMILIES.items() if stems & set(names)}
    if len(found) > 1:
        return found - {"nano"}
    return found


def same_family(judge: str, contestants: Sequence[str]) -> str | None:
    """The first contestant that is the judge itself or its relative; None where none is known to be. Of a folder only
    its own name counts."""
    for name in contestants:
        if Path(name).exists():
            short = Path(name).name
        else:
            short = name

        if short.lower() == judge.lower() or family_of(judge) & family_of(short):
            return name

    return None
