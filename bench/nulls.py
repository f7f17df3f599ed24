"""Real tunes on rows from which nothing can be learned: does any of them end in "better"?

    python -m bench.nulls [--base nano --base PATH] [--runs 20] [--folder build/nulls]

The texts are the demo's messages to a support desk; the answers have nothing to do with them. Each run draws its own
rows, takes the next of KINDS, and is one `whet tune` with `keep=false` and without the measurement of forgetting, which
say nothing about the word. Writes the table `real-nulls` of docs/measuring/statistics.md; a run that is done is not
asked again. Without --base it takes nano and the real base (bench/real_base.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from bench.real_base import real_base
from bench.shown.pages import DOCS, table, write_tables
from bench.tuned import tuned_on
from whet.demo_data.support_desk import generate

TRAINED, TESTED = 120, 60
SETTINGS = ("keep=false", "evaluate.forgetting=false")
NAMES = "Anna Boris Clara Deniz Emil Farah Georg Hanna Ivan Julia Karl Lena Marek Nora Oskar Petra Quirin Rosa".split()
Answer = Callable[[Random], str]


def one_of(words: Sequence[str], weights: Sequence[float]) -> Answer:
    return lambda rng: rng.choices(words, weights)[0]


def marked(answer: Answer) -> Answer:
    """The form can be learned, what stands in it cannot."""
    return lambda rng: f"Looking at it closely.\n#### {answer(rng)}"


BALANCED, SKEWED = one_of(("yes", "no"), (1, 1)), one_of(("ham", "spam"), (85, 15))
KINDS: dict[str, tuple[Answer, int]] = {
    "shuffled labels, balanced": (BALANCED, 1),
    "shuffled labels, 85:15": (SKEWED, 1),
    "shuffled labels, three classes": (one_of(("north", "south", "west"), (4, 3, 3)), 1),
    "one answer to everything": (one_of(("done",), (1,)), 1),
    "only the form can be learned": (marked(BALANCED), 1),
    "2 copies of a frame": (BALANCED, 2),
    "5 copies of a frame": (BALANCED, 5),
    "20 copies of a frame": (BALANCED, 20),
}
"""How an answer is drawn, and how many rows are made of one message with other names."""


def rows(kind: str, seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Training and test rows; copies of one message share their answer, and lie on one side."""
    answer, copies = KINDS[kind]
    rng = Random(f"{kind} {seed}")
    texts = [row["prompt"] for row in generate(4 * (TRAINED + TESTED), seed=rng.randrange(10**6))]
    texts = list(dict.fromkeys(texts))[: (TRAINED + TESTED) // copies]
    made = []
    for text in texts:
        said, names = answer(rng), rng.sample(NAMES, copies if copies < len(NAMES) else len(NAMES))
        for number in range(copies):
            signed = text if copies == 1 else f"{text} {names[number % len(names)]}, number {rng.randrange(10**4)}."
            made.append({"prompt": signed, "completion": said})
    return made[:TRAINED], made[TRAINED:]


def asked(folder: Path, kind: str, seed: int, base: str) -> dict[str, Any]:
    stem = f"{kind.replace(' ', '-').replace(',', '').replace(':', '-')}-{seed}"
    files = []
    for part, made in zip(("train", "test"), rows(kind, seed), strict=True):
        files.append(folder / "rows" / f"{stem}.{part}.jsonl")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in made), "utf-8")
    return tuned_on(files[0], files[1], folder, f"{stem}-{Path(base).name}", base, SETTINGS)


def line(kind: str, seed: int, base: str, answer: dict[str, Any]) -> list[object]:
    start = [f"{kind}, {Path(base).name}", seed]
    if "failed" in answer:
        return [*start, f"failed: {answer['failed'].splitlines()[-1][:60]}", *[""] * 4]
    against = {one["name"]: one for one in answer["verdict"].get("against", [])}
    scores = [f"{100 * answer[side]['score']:.1f}%" for side in ("base", "tuned")]
    strongest = answer["verdict"].get("strongest")
    best = f"{strongest} {100 * against[strongest]['score']:.1f}%" if strongest else ""
    return [*start, answer["verdict"]["word"], *scores, best, f"{answer['wall']:.0f}"]


def measured(folder: Path, bases: Sequence[str], runs: int) -> Iterator[list[object]]:
    for base in bases:
        for number in range(runs):
            kind = list(KINDS)[number % len(KINDS)]
            yield line(kind, number, base, asked(folder, kind, number, base))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", action="append")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("build/nulls"))
    given = parser.parse_args()
    lines = []
    for one in measured(given.folder, given.base or ["nano", str(real_base())], given.runs):
        print(*one, sep=" | ", flush=True)
        lines.append(one)
    head = ("nothing to learn, base", "run", "word", "base's score", "tuned", "strongest opponent", "seconds")
    fooled = sum(one[2] == "better" for one in lines)
    failed = sum(str(one[2]).startswith("failed") for one in lines)
    said = f'\n\n"Better" in {fooled} of {len(lines)} runs' + (f"; {failed} failed." if failed else ".")
    write_tables(DOCS / "measuring" / "statistics.md", {"real-nulls": table(head, lines) + said})


if __name__ == "__main__":
    main()
