"""`make bench-defaults`: does `whet tune` with nothing set end in a true answer, on real sets and a real base?

    python -m bench.defaults [--sets banking20,hh] [--base nano --base PATH] [--folder build/defaults] [--rows N]

Every set of bench/sets.py on every base, with pure defaults and once more with `keep=false`: the verdict's word, if
the model should be used, the score of base and tuned with its difference, the score without keeping, time and memory.
Writes FOLDER/DEFAULTS.md after each run. Each run is kept, so that a bench which was stopped goes on. Without --base it
takes nano and the real base, which it downloads (bench/real_base.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.machine import facts
from bench.real_base import real_base
from bench.sets import SETS
from bench.table import table
from bench.tuned import tuned
from whet.store.atomic import write_text

HEAD = ("set", "base", "rows", "verdict", "use it?", "strongest", "before", "after", "difference, 95% interval")
HEAD += ("without keep", "training, s", "command, s", "peak memory, MB")


def cells(name: str, base: str, answer: dict[str, Any], unkept: dict[str, Any]) -> list[str]:
    """A line of the table; a run that failed says so in the place of its verdict."""
    start = [name, Path(base).name]
    if "failed" in answer:
        return [*start, "", f"failed: {answer['failed'].splitlines()[-1][:80]}", *[""] * (len(HEAD) - 4)]
    verdict, change = answer["verdict"], answer["difference"]
    low, high = (f"{100 * change[end]:+.1f}" for end in ("low", "high"))
    return [
        *start,
        str(answer["ledger"]["trained"]),
        verdict["word"],
        answer["ship"]["answer"],
        str(verdict.get("strongest") or ""),
        *(_points(answer[side]["score"]) for side in ("base", "tuned")),
        f"{100 * change['estimate']:+.1f} ({low} to {high})",
        "failed" if "failed" in unkept else _points(unkept["tuned"]["score"]),
        f"{answer['seconds']:.0f}",
        f"{answer['wall']:.0f}",
        f"{answer['peak_memory_bytes'] / 1e6:.0f}",
    ]


def summary(lines: Sequence[Sequence[str]]) -> str:
    """How many runs end in a yes, and how many lie within a point of their score without keeping."""
    done = [line for line in lines if not line[3].startswith("failed")]
    yes = sum(line[4] == "yes" for line in done)
    pairs = [(float(line[7]), float(line[9])) for line in done if line[9] != "failed"]
    near = sum(after >= unkept - 1 for after, unkept in pairs)
    said = f"{yes} of {len(lines)} runs end in a yes; {near} of {len(pairs)} are within 1 point of their score without "
    return f"{said}keep, or above it."


def page(lines: Sequence[Sequence[str]]) -> str:
    machine = [[key, value] for key, value in facts().items()]
    return "\n\n".join(["# Default runs", table(["", ""], machine), summary(lines), table(HEAD, lines)]) + "\n"


def measured(
    sets: Sequence[str], bases: Sequence[str], folder: Path, settings: Sequence[str], rows: int | None
) -> Iterator[list[str]]:
    """The lines of the table, one after the other."""
    for base in bases:
        for name in sets:
            answer = tuned(folder, name, base, settings, rows, "default")
            yield cells(name, base, answer, tuned(folder, name, base, [*settings, "keep=false"], rows, "unkept"))


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="whet tune with pure defaults, over sets and bases.")
    parser.add_argument("--sets", default=",".join(SETS), help="names, with commas")
    parser.add_argument("--base", action="append", help="nano, or a folder; may be repeated")
    parser.add_argument("--folder", type=Path, default=Path("build/defaults"))
    parser.add_argument("--rows", type=int, help="training rows, in the place of each set's own number")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every run")
    asked = parser.parse_args()
    names = asked.sets.split(",")
    if unknown := sorted(set(names) - set(SETS)):
        parser.error(f"there is no set {', '.join(unknown)}; there are {', '.join(SETS)}")
    bases = asked.base or ["nano", str(real_base())]
    lines: list[list[str]] = []
    for line in measured(names, bases, asked.folder, asked.set, asked.rows):
        lines.append(line)
        print(" | ".join(line), flush=True)
        write_text(asked.folder / "DEFAULTS.md", page(lines))
    print(summary(lines))


if __name__ == "__main__":
    main()
