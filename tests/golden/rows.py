"""The data of the golden recipes: small, the same everywhere, and made without anything of whet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

CODES = [n * 37 % 1000 for n in range(40)]
THINGS = ("lamp", "kettle", "chair", "pump")
TEAMS = {"billing": "I want my money back for the", "shipping": "Where is the parcel with",
         "repair": "It broke, my"}  # fmt: skip
OWN_METRIC = "def right(answer, reference, row):\n    return 0.1 + 0.8 * (answer[:4] == reference[:4])\n"
FRONT = "Answer in one short line, and begin it with the word Gladly."


def desk(n: int) -> dict[str, Any]:
    said = {"item": THINGS[n % 4], "order": n, "urgent": n % 3 == 0}
    prompt = f"Write JSON of this: the {THINGS[n % 4]} of order {n} is {'broken, help now' if n % 3 == 0 else 'late'}."
    return {"prompt": prompt, "completion": json.dumps(said)}


def pair(n: int) -> dict[str, Any]:
    return {"prompt": f"How do I cancel order {n}?", "chosen": f"Gladly. Open order {n}. Thank you.",
            "rejected": f"Open order {n}. Do not ask again."}  # fmt: skip


def mark(n: int) -> dict[str, Any]:
    words = f"Gladly. Open order {n}. Thank you." if n % 2 else f"Open order {n}. Do not ask again."
    return {"prompt": f"How do I cancel order {n}?", "completion": words, "label": n % 2 > 0}


def team(n: int) -> dict[str, Any]:
    label = list(TEAMS)[n % 3]
    return {"text": f"{TEAMS[label]} {THINGS[n % 4]} {n}.", "label": label}


def rules(n: int) -> dict[str, Any]:
    broken = [name for name, wrong in (("rude", n % 2), ("advert", n % 3 == 0)) if wrong]
    words = ("Fool, " if n % 2 else "Please ") + ("buy now at" if n % 3 == 0 else "look at") + f" number {n}."
    return {"text": words, "label": broken}


def amount(n: int) -> dict[str, Any]:
    word = ("none", "few", "some", "many", "most")[n % 5]
    return {"text": f"There were {word} left, {n}.", "label": 10.0 * (n % 5)}


def sums(n: int) -> dict[str, Any]:
    return {"prompt": f"What is {n % 9} + {n % 7}?", "completion": str(n % 9 + n % 7), "case": n}


def question(n: int) -> dict[str, Any]:
    return {"question": f"What is the price of the {THINGS[n % 4]} of year {n}?", "answer": f"{n} pounds",
            "document": f"d{n}"}  # fmt: skip


def document(n: int) -> dict[str, Any]:
    return {"id": f"d{n}", "text": f"The {THINGS[n % 4]} of year {n} is well made. Its price is {n} pounds."}


def general(n: int) -> dict[str, Any]:
    return {"prompt": f"What is {n} plus 2?"} if n % 4 else {"text": f"Once, in the year {n},"}


MAKERS: dict[str, Callable[[int], dict[str, Any]]] = {
    "desk": desk, "pairs": pair, "marks": mark, "teams": team, "rules": rules, "amounts": amount, "sums": sums,
    "questions": question, "documents": document, "general": general,
}  # fmt: skip
"""A row for each code, by the name of its file."""


def write_data(folder: Path) -> None:
    """Fills `folder` with the files that the recipes name."""
    folder.mkdir(parents=True)
    for name, maker in MAKERS.items():
        codes = [0, *range(3, 11)] if name == "general" else CODES
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(maker(code)) + "\n" for code in codes), "utf-8")
    prompts = "".join(json.dumps({"prompt": desk(code)["prompt"]}) + "\n" for code in CODES)
    (folder / "prompts.jsonl").write_text(prompts, "utf-8")
    paragraphs = (f"The {THINGS[n % 4]} number {n} stood by the door of room {n % 12}. Nobody took it." for n in CODES)
    (folder / "text.txt").write_text("\n\n".join(paragraphs), "utf-8")
    (folder / "own.py").write_text(OWN_METRIC, "utf-8")
    (folder / "front.txt").write_text(FRONT, "utf-8")
