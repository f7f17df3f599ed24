"""The sets of rows that the quality of defaults is measured on, each small enough for two slow cores.

    python -m bench.sets FOLDER [--rows N]    writes FOLDER/SET.jsonl and FOLDER/SET.test.jsonl of every set

Real data is read from the folder in WHET_DATA; `support` and `comments` are made from a seed. `--rows` takes the place
of each set's own bound of training rows; validation rows are held out of them by the tune itself.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.shown.moderation import comments
from whet.demo_data.support_desk import generate

DATA = Path(os.environ.get("WHET_DATA", Path(__file__).parents[2] / "shared" / "data"))
Rows = list[dict[str, Any]]
Parts = tuple[Rows, Rows]
"""Rows to learn from, rows to test on."""
GROUPS = {"card": ("card",), "transfer": ("transfer",), "top-up": ("top",)}
"""Three classes of Banking77's intents: the word of the intent's name that puts it there."""
MEDIUM = 700
"""Longest answer of MedQuAD, and longest pair of HH, in letters: a set is to fit a few minutes."""


@dataclass(frozen=True, slots=True)
class QualitySet:
    """A set by name: how it is made, and how many rows of it are used."""

    name: str
    load: Callable[[], Parts]
    rows: int
    test: int


def banking(intents: int) -> Parts:
    """Banking77, the first of its intents by a fixed shuffle: a message, and its intent as a label."""
    names = sorted({row["category"] for row in _csv("train")})
    Random(0).shuffle(names)
    kept = set(names[:intents])
    train, test = ([row for row in _csv(part) if row["category"] in kept] for part in ("train", "test"))
    return [_labelled(row, row["category"]) for row in train], [_labelled(row, row["category"]) for row in test]


def triage() -> Parts:
    """Three classes: is a message about a card, a transfer or a top-up? Intents that name two of them are left out."""

    def part(name: str) -> Rows:
        found = [(row, _group(row["category"])) for row in _csv(name)]
        return [_labelled(row, group) for row, group in found if group]

    return part("train"), part("test")


def gsm8k() -> Parts:
    train, test = (_lines(DATA / "gsm8k" / f"{part}.jsonl") for part in ("train", "test"))
    return [_asked(row) for row in train], [_asked(row) for row in test]


def medquad() -> Parts:
    """Questions and answers on illnesses; a tenth of the illnesses is tested and never learned."""
    rows = [row for row in _lines(DATA / "medquad" / "medquad.jsonl") if len(row["answer"]) < MEDIUM]
    illnesses = sorted({row["focus"] for row in rows})
    Random(0).shuffle(illnesses)
    tested = set(illnesses[: len(illnesses) // 10])
    return tuple([_asked(row) for row in rows if (row["focus"] in tested) == side] for side in (False, True))  # type: ignore[return-value]


def hh() -> Parts:
    """Pairs of a better and a worse answer from HH-RLHF, the shorter ones."""
    path = DATA / "hh_rlhf" / "harmless-base-test.jsonl.gz"
    rows = [json.loads(line) for line in gzip.open(path, "rt", encoding="utf-8")]
    rows = [row for row in rows if max(len(row["chosen"]), len(row["rejected"])) < MEDIUM]
    Random(0).shuffle(rows)
    return rows[len(rows) // 5 :], rows[: len(rows) // 5]


def support() -> Parts:
    """The demo's support desk: a message, and strict JSON."""
    return generate(2000, 0), generate(1000, 1)


def moderation() -> Parts:
    """Made-up comments and the one rule that each breaks, most often none: skewed classes."""

    def part(rows: int, seed: int) -> Rows:
        made = [(row["text"], list(row["label"])) for row in comments(rows, seed)]  # type: ignore[call-overload]
        return [{"text": text, "label": (broken or ["fine"])[0]} for text, broken in made if len(broken) < 2]

    return part(3000, 0), part(1500, 1)


SETS = {
    one.name: one
    for one in (
        QualitySet("triage", triage, rows=330, test=200),
        QualitySet("banking20", lambda: banking(20), rows=440, test=200),
        QualitySet("banking77", lambda: banking(77), rows=1650, test=200),
        QualitySet("support", support, rows=440, test=150),
        QualitySet("gsm8k", gsm8k, rows=330, test=150),
        QualitySet("medquad", medquad, rows=220, test=100),
        QualitySet("hh", hh, rows=330, test=150),
        QualitySet("moderation", moderation, rows=440, test=200),
    )
}


def write_set(name: str, folder: Path, rows: int | None = None) -> tuple[Path, Path]:
    """(rows to learn from, rows to test on) as files, the same for the same name and number on every machine."""
    one = SETS[name]
    train, test = one.load()
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.jsonl", folder / f"{name}.test.jsonl"
    for path, part, most in zip(paths, (train, test), (rows or one.rows, one.test), strict=True):
        kept = Random(1).sample(part, min(most, len(part)))
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), encoding="utf-8")
    return paths


def _csv(part: str) -> list[dict[str, str]]:
    with open(DATA / "banking77" / f"{part}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _lines(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _labelled(row: dict[str, str], label: str) -> dict[str, str]:
    return {"text": row["text"], "label": label.replace("_", " ")}


def _asked(row: dict[str, str]) -> dict[str, str]:
    return {"prompt": row["question"], "completion": row["answer"]}


def _group(intent: str) -> str | None:
    words = set(intent.lower().split("_"))
    found = [group for group, named in GROUPS.items() if words & set(named)]
    return found[0] if len(found) == 1 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int)
    asked = parser.parse_args()
    for name in SETS:
        print(*write_set(name, asked.folder, asked.rows))


if __name__ == "__main__":
    main()
