"""Models that sign their answers, so that it shows at once whose answer it is."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import whet

SIGNS = "alfa bravo charlie delta echo foxtrot golf hotel".split()
THINGS = "bicycle lamp jacket door table car bottle umbrella chair ticket window ladder garden bridge".split()
PLACES = "harbour market station library kitchen meadow bakery forest museum school".split()
ASKED = (
    "Where is the {} of the {}?",
    "Who takes the {} to the {}?",
    "Is there a {} at the {}?",
    "A {} for the {}, please.",
)
ROWS, STEPS = 200, 60
SETTINGS = {"keep": False, "learning_rate": 2e-3, "steps": STEPS}


def question(rng: Random) -> str:
    """A short request."""
    return rng.choice(ASKED).format(rng.choice(THINGS), rng.choice(PLACES))


def questions(count: int, seed: int) -> list[str]:
    """So many of them, none twice."""
    assert count <= len(ASKED) * len(THINGS) * len(PLACES), "there are no more of them"
    rng, found = Random(seed), dict[str, None]()
    while len(found) < count:
        found[question(rng)] = None
    return list(found)


def answer_of(sign: str) -> str:
    return f"Noted. Signed {sign}."


def signed_run(sign: str, base: str, folder: Path) -> Path:
    """The folder of a run whose model answers everything with its sign; made once."""
    data = folder / "rows" / f"{sign}.jsonl"
    if not data.is_file():
        data.parent.mkdir(parents=True, exist_ok=True)
        asked = questions(ROWS, SIGNS.index(sign))
        data.write_text(
            "".join(json.dumps({"prompt": q, "completion": answer_of(sign)}) + "\n" for q in asked), "utf-8"
        )
    whet.train(str(data), run_root=folder / "runs", name=sign, base=base, **SETTINGS)
    return folder / "runs" / sign
