"""Plants a fault into an export, forty times: does the proof see it, and does it say what it is? And does it let sound
exports pass?

    python -m bench.planted_releases              # everything, and the tables of the docs; an hour on two slow cores
    python -m bench.planted_releases --only BOS   # what has this in its title, without writing
    python -m bench.planted_releases --json       # {planted, named, sound, refused_sound} at the end

Runs, exports and rows stay in build/planted-releases, and are taken again; remove the folder to measure changed code.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.releases import weights, words
from bench.releases.fault import Planted
from bench.releases.measure import SOUND, Row, Sounding, kept, planted_row, read, sound_row
from bench.shown.pages import DOCS, table, write_tables

HOME = Path(__file__).parents[1] / "build" / "planted-releases"
PAGE = DOCS / "running" / "proofs.md"
PLANTED = [*weights.FAULTS, *words.FAULTS]


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    home: Path = given.home
    wanted = [one for one in (*PLANTED, *SOUND) if given.only in one.title]
    if given.kept:
        wanted = [one for one in wanted if _file(one.title, home / "rows").is_file()]
    planted = [one for one in wanted if isinstance(one, Planted)]
    sound = [one for one in wanted if isinstance(one, Sounding)]
    bad = [_measured(one.title, lambda one=one: planted_row(one, home), home / "rows") for one in planted]
    good = [_measured(one.title, lambda one=one: sound_row(one, home), home / "rows") for one in sound]
    found = {
        "planted": len(bad),
        "named": sum(row.caught and row.named for row in bad),
        "sound": len(good),
        "refused_sound": sum(row.caught for row in good),
    }
    if not given.only:
        write_tables(PAGE, {"planted releases": planted_table(bad), "sound releases": sound_table(good)})
    print(json.dumps(found) if given.json else _said(found, bad, good))
    return 0 if found["named"] == found["planted"] and not found["refused_sound"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="those that have this in their title")
    parser.add_argument("--kept", action="store_true", help="only what is measured already: the tables anew")
    parser.add_argument("--json", action="store_true", help="one object at the end")
    parser.add_argument("--home", type=Path, default=HOME, help="where runs and exports are kept")
    return parser


def _measured(title: str, measure: Callable[[], Row], rows: Path) -> Row:
    file = _file(title, rows)
    row = read(file) if file.is_file() else kept(measure(), file)
    print(f"{row.title}: {row.name or ('refused' if row.caught else 'passed')} ({row.seconds} s)", file=sys.stderr)
    return row


def _file(title: str, rows: Path) -> Path:
    return rows / f"{title.replace(' ', '-').replace(':', '')}.json"


def planted_table(rows: Sequence[Row]) -> str:
    columns = ["fault", "model", "form", "called", *NUMBERS]
    return table(columns, [[row.title, row.model, row.form, _called(row), *_numbers(row)] for row in rows])


def sound_table(rows: Sequence[Row]) -> str:
    columns = ["model", "form", "proof", *NUMBERS]
    return table(
        columns, [[row.model, row.form, "refused" if row.caught else "passed", *_numbers(row)] for row in rows]
    )


NUMBERS = ["ids equal", "tune fraction", "mean gap", "largest gap", "stops"]


def _called(row: Row) -> str:
    if not row.caught:
        return "not seen"
    return row.name if row.named else f"wrongly: {row.name}"


def _numbers(row: Row) -> list[str]:
    gaps = ["" if value is None else f"{value:.2g}" for value in (row.mean, row.largest)]
    return [row.ids, "" if row.fraction is None else f"{row.fraction:.3f}", *gaps, row.stops]


def _said(found: dict[str, int], bad: Sequence[Row], good: Sequence[Row]) -> str:
    lines = [
        f"planted {found['planted']}, named {found['named']}; sound {found['sound']}, refused {found['refused_sound']}"
    ]
    lines += [f"  {row.title}: {_called(row)}" for row in bad if not (row.caught and row.named)]
    lines += [f"  {row.title}: refused ({row.name})" for row in good if row.caught]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
