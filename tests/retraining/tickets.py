"""Tickets that the bundled base learns in a few steps: words at random around a phrase that tells the kind."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WORDS = (
    "amber river table window garden silver candle bottle market paper orange bridge castle dragon engine forest "
    "guitar hammer island jacket kitten ladder magnet needle ocean pencil quartz rocket saddle tunnel umbrella violin "
    "walnut yellow zipper anchor basket cactus daisy eagle feather goblet harbor igloo jungle kettle lemon mirror "
    "nutmeg olive parrot quiver ribbon saffron thimble turtle velvet wagon yogurt zebra"
).split()
PHRASES = {"refund": "money back", "delivery": "parcel late", "login": "password lost", "repair": "screen broken"}
KINDS = ("refund", "delivery", "login")


def tickets(rows: int, seed: int, kinds: tuple[str, ...] = KINDS) -> list[dict[str, Any]]:
    drawn = random.Random(seed)
    return [_ticket(kinds[n % len(kinds)], drawn) for n in range(rows)]


def ticket(kind: str, seed: int) -> dict[str, Any]:
    return _ticket(kind, random.Random(seed))


def _ticket(kind: str, drawn: random.Random) -> dict[str, Any]:
    words = drawn.sample(WORDS, 7)
    return {"text": " ".join([*words[:4], PHRASES[kind], *words[4:]]), "label": kind}


def written(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path
