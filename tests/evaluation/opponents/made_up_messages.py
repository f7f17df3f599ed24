"""Short messages with a skewed label, from a seed: 85% are ham, and what makes the others spam is a few words."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

NAMES = "Ann Bo Cem Dana Eli Fay Gus Hal Ida Jon Kai Lea Mo Nils Oda Pia Quin Ria Sven Tove".split()
THINGS = "the keys,dinner,the bus,your book,the match,the rent,a charger,the photos,my bike,the meeting".split(",")
TIMES = "at six,tonight,tomorrow,after work,on Friday,in an hour,before noon,next week".split(",")
HAM = [
    "Hi {name}, can you bring {thing} {time}?",
    "Running late, see you {time}. {name} has {thing}",
    "{name} says {thing} is sorted, talk {time}",
    "Did {name} call about {thing}? I can only do {time}",
    "ok will do {time}, tell {name} about {thing}",
]
SPAM = [
    "WINNER {name}! Claim {thing} and 500 cash {time}, call 0900{number}",
    "Free entry {time}: text WIN to {number} for {thing}",
    "URGENT {name}, your account is on hold, reply with {number} {time}",
]


def message(rng: random.Random, spam: bool) -> str:
    said = {"name": rng.choice(NAMES), "thing": rng.choice(THINGS), "time": rng.choice(TIMES)}
    return rng.choice(SPAM if spam else HAM).format(**said, number=rng.randrange(10000, 99999))


def messages(rows: int = 800, spam: float = 0.15, seed: int = 0, shuffled: bool = False) -> list[dict[str, Any]]:
    """Rows of text and label; with `shuffled` the labels have nothing to do with the texts."""
    rng = random.Random(seed)
    texts, labels = [], []
    for _ in range(rows):
        bad = rng.random() < spam
        texts.append(f"{message(rng, bad)} {rng.choice(NAMES)} {rng.randrange(1000)}")
        labels.append("spam" if bad else "ham")
    if shuffled:
        rng.shuffle(labels)
    return [{"prompt": text, "completion": label} for text, label in zip(texts, labels, strict=True)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path
