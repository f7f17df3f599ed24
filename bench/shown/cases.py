"""Six made-up or small tasks of which it is known what helps, and what one `whet tune` and `whet compare` say of each.

    python -m bench.shown.cases [prompt | examples | content | form | nothing | retrieval]    all unless some are named

prompt     which colour a sentence names, on a real base that only needs to be told              use a prompt
examples   who looks after a room, of 120 rooms: a row with the same room says it                use examples
content    who handles a message depends on words that no base can know                         fine-tune
form       messages to strict JSON                                                              fine-tune
nothing    labels that have nothing to do with the texts, 85% of them one                       nothing helps
retrieval  facts that stand in documents (medquad in WHET_DATA)                                 look them up
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.real_base import real_base
from bench.shown import gene_facts
from whet.api import compare, tune
from whet.demo_data.support_desk import generate

PLACES = "garden kitchen market river station library harbour meadow forest bakery".split()
PEOPLE = "Anna Boris Clara Deniz Emil Farah Georg Hanna Ivan Julia".split()
TEAMS = ("north", "south", "east", "west")
COLOURS = "red green blue yellow black white".split()
THINGS = "bicycle lamp jacket door table car bottle umbrella chair ticket".split()
SYLLABLES = "zor bla kem tru vex pol nim dra gol fen".split()
Rows = list[dict[str, Any]]
Case = Callable[[Path], tuple[Path, dict[str, Any]]]


def written(folder: Path, name: str, rows: Rows) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def prompt(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The colour stands in the sentence; a real base finds it as soon as it is told what is wanted."""
    rng, rows = random.Random(0), []
    for number in range(500):
        colour, thing = rng.choice(COLOURS), rng.choice(THINGS)
        text = f"{rng.choice(PEOPLE)} left a {colour} {thing} at the {rng.choice(PLACES)}, number {number}."
        rows.append({"prompt": text, "completion": colour})
    return written(folder, "prompt", rows), {"base": str(real_base()), "split.test": 120}


def examples(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Each room has somebody who looks after it: too many to learn in a short run, and the nearest rows tell it."""
    rng, rows = random.Random(0), []
    rooms = sorted({f"{rng.choice(SYLLABLES)}{rng.choice(SYLLABLES)}-{rng.randrange(100, 999)}" for _ in range(120)})
    keeper = {room: rng.choice(PEOPLE) for room in rooms}
    for number in range(6 * len(rooms)):
        room = rooms[number % len(rooms)]
        text = f"A {rng.choice(THINGS)} is missing in {room}. Who looks after {room}?"
        rows.append({"prompt": text, "completion": keeper[room]})
    return written(folder, "examples", rows), {"base": str(real_base()), "split.test": 120}


def content(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Which team handles a message depends on the machine's first syllable, as somebody decided."""
    rng, rows = random.Random(0), []
    team = {syllable: TEAMS[n % 4] for n, syllable in enumerate(SYLLABLES)}
    for number in range(900):
        first = rng.choice(SYLLABLES)
        name = f"{first}{rng.choice(SYLLABLES)}"
        text = f"{rng.choice(PEOPLE)} says {name} in the {rng.choice(PLACES)} has stopped, ticket {number}."
        rows.append({"prompt": text, "completion": team[first]})
    return written(folder, "content", rows), {"split.test": 150}


def form(folder: Path) -> tuple[Path, dict[str, Any]]:
    return written(folder, "form", generate(900, 0)), {"split.test": 120}


def nothing(folder: Path) -> tuple[Path, dict[str, Any]]:
    rng, rows = random.Random(0), []
    for number in range(800):
        one, other = rng.sample(PLACES, 2)
        text = f"{rng.choice(PEOPLE)} waits at the {one}, then goes to the {other}, {number}."
        rows.append({"prompt": text, "completion": "spam" if rng.random() < 0.15 else "ham"})
    return written(folder, "nothing", rows), {"steps": 60}


def retrieval(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Which gene a disease has: no training row knows the answer to a test row."""
    questions, documents = gene_facts.write_task(folder, Path(os.environ["WHET_DATA"]) / gene_facts.MEDQUAD, None)
    settings = {"compare.documents": str(documents), "compare.passages": 1, "split.test": 0.4}
    return questions, settings | {"split.validation": 0.1, "evaluate.metric": "exact-match"}


CASES: dict[str, Case] = {
    "prompt": prompt,
    "examples": examples,
    "content": content,
    "form": form,
    "nothing": nothing,
    "retrieval": retrieval,
}


def advised(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `whet tune` says of a case, and then `whet compare` of the same run."""
    path, settings = CASES[name](folder)
    settings = {"evaluate.forgetting": False} | settings
    place: dict[str, Any] = {"run_root": folder / "runs", "name": name}
    return tune(str(path), **place, **settings), compare(str(path), **place, **settings)


def numbers(tuned: dict[str, Any], compared: dict[str, Any]) -> dict[str, Any]:
    against = {one["name"]: [one["score"], one["rows"], one["word"]] for one in tuned["verdict"]["against"]}
    return {
        "tune": tuned["verdict"]["sentence"],
        "tuned": tuned["tuned"]["score"],
        "against": against,
        "ship": tuned["ship"]["sentence"],
        "compare": compared["verdict"]["sentence"],
        "headline": compared["verdict"]["headline"],
        "arms": {arm["name"]: arm["score"] for arm in compared["arms"]},
        "seconds": [tuned["seconds"], tuned["evaluation_seconds"]],
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for case in sys.argv[1:] or CASES:
            print(json.dumps({case: numbers(*advised(Path(temporary), case))}, indent=1), flush=True)
