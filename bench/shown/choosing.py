"""`whet choose` between nano and a small real base, on some intents of Banking77.

    python -m bench.shown.choosing [--intents 5] [--rows 30] [--hours 1]    writes the end of docs/choosing/bases.md

Rows are the first of each intent in banking77/train.csv (WHET_DATA); the real base is that of bench/real_base.py.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from bench.real_base import real_base
from bench.sets import DATA
from bench.shown.pages import DOCS, table, write_tables
from whet import api
from whet.observer import Silent
from whet.selection.plot import draw, ways_of
from whet.text.numbers import format_rough_duration

PAGE = DOCS / "choosing" / "bases.md"
PICTURE = DOCS / "images" / "choosing.svg"
HOUR = 3600
SETTINGS: dict[str, Any] = {
    "split.validation": 0.2,
    "split.test": 0.2,
    "epochs": 3,
    "evaluate.max_new_tokens": 16,
    "evaluate.forgetting": False,
    "keep": False,
}
"""Labels are short; the rest is so that it ends within half an hour on two cores."""


class Told(Silent):
    """What is done is said as it begins: the whole takes a while."""

    def note(self, text: str) -> None:
        print(text, flush=True)


def rows_of(intents: int, each: int) -> list[dict[str, str]]:
    """The first `each` rows of the first `intents` intents."""
    taken: Counter[str] = Counter()
    rows = []
    with open(DATA / "banking77" / "train.csv", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            label = line["category"]
            if (label in taken or len(taken) < intents) and taken[label] < each:
                taken[label] += 1
                rows.append({"text": line["text"], "label": label})
    return rows


def choose(folder: Path, intents: int, each: int, hours: float) -> dict[str, Any]:
    data = folder / "banking.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows_of(intents, each)), "utf-8")
    bases = ["nano", str(real_base())]
    return api.choose(str(data), bases, hours=hours, run_root=folder / "runs", observer=Told(), **SETTINGS)


def ways_table(found: dict[str, Any]) -> str:
    """A line a way: its score, and what an answer takes."""
    lines = []
    for way in ways_of(found):  # type: ignore[arg-type]
        low, high = way.facts["interval"]
        score = f"{100 * way.facts['score']:.1f}% ({100 * low:.0f} to {100 * high:.0f})"
        name = f"{Path(way.base).name} {way.label}"
        lines.append((f"**{name}**" if way.chosen else name, score, f"{1000 * way.facts['seconds_per_answer']:.0f} ms"))
    return table(["way", "accuracy, 95% interval", "an answer"], lines)


def facts_table(found: dict[str, Any]) -> str:
    """What was known of each base before it was asked, and what was spent."""
    lines = []
    for candidate in found["candidates"]:
        cost = candidate["cost"]
        memory, hours = f"{cost['memory'] / 1e9:.1f} GB", format_rough_duration(HOUR * cost["hours"])
        tokens = f"{candidate['tokens_per_row']:.0f}"
        lines.append((Path(candidate["base"]).name, candidate["licence"], tokens, memory, hours))
    return table(["base", "licence", "tokens a row", "memory of a tune", "a whole tune, planned"], lines)


def words_of(found: dict[str, Any]) -> str:
    """The recommendation, the verdict, and what selection made of the score."""
    used = format_rough_duration(HOUR * found["budget"]["used"]["hours"])
    parts = [f"> {found['reason']}"]
    if found["verdict"] is not None:
        parts += [">", f"> {found['verdict']['sentence']}"]
        parts += ["", f"Selection gain: {100 * found['selection_gain']:+.1f} points. All of it took {used}."]
    return "\n".join(parts).replace(str(real_base()), real_base().name)


def section_of(found: dict[str, Any], intents: int, each: int) -> str:
    """What was seen, as the end of the page."""
    command = f"python -m bench.shown.choosing --intents {intents} --rows {each}"
    alt = "Score against cost, time of an answer and memory of a tune; the larger point is the one that was chosen"
    parts = [
        "## Seen",
        f"nano against SmolLM2-135M-Instruct, on {intents} intents of Banking77 with {each} rows each, by `{command}`:",
        words_of(found),
        facts_table(found),
        ways_table(found),
        f"![{alt}](../images/{PICTURE.name})",
    ]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intents", type=int, default=5)
    parser.add_argument("--rows", type=int, default=30, help="of each intent")
    parser.add_argument("--hours", type=float, default=1.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found = choose(Path(temporary), given.intents, given.rows, given.hours)
    print(json.dumps(found, indent=1))
    write_tables(PAGE, {"seen": section_of(found, given.intents, given.rows)})
    PICTURE.write_text(draw(found).replace(str(real_base()), real_base().name), "utf-8")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
