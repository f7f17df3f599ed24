"""Made-up support dialogues whose last turn is a goodbye: what is worth measuring stands before it."""

from __future__ import annotations

import random
from typing import Any

THINGS = ("parcel", "invoice", "refund", "password", "router", "subscription")
BYES = ("You are welcome, goodbye!", "Have a nice day!", "Glad to help, bye!")


def dialogues(rows: int, seed: int = 0) -> list[dict[str, Any]]:
    """`messages` of one to three questions with long answers, and a goodbye."""
    pick = random.Random(seed)
    found = []
    for _ in range(rows):
        messages: list[dict[str, Any]] = []
        for thing in pick.sample(THINGS, pick.randint(1, 3)):
            number = pick.randint(1000, 99999)
            messages.append({"role": "user", "content": f"Where is my {thing} with the number {number}?"})
            answer = f"I looked up your {thing} {number} for you: it is on its way, and you will have it on Friday."
            messages.append({"role": "assistant", "content": answer})
        messages += [{"role": "user", "content": "Thanks!"}, {"role": "assistant", "content": pick.choice(BYES)}]
        found.append({"messages": messages})
    return found
