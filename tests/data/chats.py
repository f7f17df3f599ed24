"""Conversations from a seed, for what must work with very many rows: `python -m tests.data.chats 100000 chats.jsonl`.

Two to four turns, some 170 tokens with the bundled tokenizer.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

COMMON = "the of and to a in is it you that he was for on are with as I his they be at one have this from".split()
HEADS, TAILS = "b d f g k l m n p r s t v w st tr pl gr".split(), "a e i o u ai ea on er at".split()
SYLLABLES = [head + tail for head in HEADS for tail in TAILS]


def chats(rows: int, seed: int = 0) -> Iterator[dict]:
    """The first rows are the same however many there are."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(SYLLABLES, k=rng.choice((1, 1, 2, 2, 3)))) for _ in range(20_000)]

    def text(length: int) -> str:
        picks = [
            rng.choice(COMMON) if rng.random() < 0.45 else words[min(19_999, int(rng.paretovariate(0.7)))]
            for _ in range(length)
        ]
        return " ".join(picks).capitalize() + "."

    for _ in range(rows):
        messages = [{"role": "system", "content": "You are a helpful assistant."}] if rng.random() < 0.3 else []
        for _ in range(rng.choice((1, 1, 2))):
            messages.append({"role": "user", "content": text(rng.randint(12, 40))})
            messages.append({"role": "assistant", "content": text(rng.randint(15, 50))})
        yield {"messages": messages}


def write_chats(path: Path, rows: int, seed: int = 0) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for chat in chats(rows, seed):
            file.write(json.dumps(chat) + "\n")
    return path


if __name__ == "__main__":
    write_chats(Path(sys.argv[2]), int(sys.argv[1]))
