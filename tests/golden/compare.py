"""Are two golden sets equal? If not, each difference by name: `python -m tests.golden.compare BEFORE AFTER`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

SHOWN = 240
MISSING = "(not there)"


def differences(before: Path, after: Path) -> list[str]:
    """`file, key: before -> after` of everything that is not equal; machine.json is not compared."""
    found = []
    names = {path.relative_to(folder) for folder in (before, after) for path in folder.rglob("*.json")}
    for name in sorted(names - {Path("machine.json")}):
        sides = [json.loads(side.read_text("utf-8")) if (side := root / name).exists() else None
                 for root in (before, after)]  # fmt: skip
        if None in sides:
            found.append(f"{name}: only in {(before, after)[sides[0] is None]}")
        else:
            found += [f"{name}, {key}: {said}" for key, said in unequal(*sides, "")]
    return found


def unequal(before: Any, after: Any, key: str, rounding: float = 0.0) -> Iterator[tuple[str, str]]:
    """(key, `before -> after`) of each leaf that differs. Keys of an object count with their order. `rounding`: by how
    much of themselves two floats may differ, for numbers that were computed on another processor."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            inner = (side.get(name, MISSING) for side in (before, after))
            yield from unequal(*inner, f"{key}.{name}".lstrip("."), rounding)
        if list(before) != list(after) and set(before) == set(after):
            yield key or "the keys", f"the order of keys is another: {list(before)} -> {list(after)}"[:SHOWN]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from unequal(one, other, f"{key}[{number}]", rounding)
    elif isinstance(before, str) and isinstance(after, str) and before != after and "\n" in before + after:
        yield from lines(before, after, key)
    elif isinstance(before, float) and isinstance(after, float) and math.isclose(before, after, rel_tol=rounding):
        return
    elif before != after or type(before) is not type(after):
        yield key, f"{told(before)} -> {told(after)}"


def lines(before: str, after: str, key: str) -> Iterator[tuple[str, str]]:
    """The first line of a text that differs, and how many do."""
    pairs = list(zip_longest(before.splitlines(), after.splitlines(), fillvalue=MISSING))
    apart = [(number, *pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1]]
    if not apart:
        yield key, "the ends of lines differ"
        return
    number, one, other = apart[0]
    yield f"{key}, line {number} (first of {len(apart)})", f"{told(one)} -> {told(other)}"


def told(value: Any) -> str:
    text = value if value is MISSING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def machines(before: Path, after: Path) -> Iterator[str]:
    """What the two makings do not share: weights are equal only on one machine, with one torch."""
    one, other = (json.loads((root / "machine.json").read_text("utf-8")) for root in (before, after))
    for key in sorted({*one, *other} - {"commit", "seconds"}):
        if one.get(key) != other.get(key):
            yield f"note: {key} is {one.get(key)} in {before} and {other.get(key)} in {after}"


def main(before: Path, after: Path) -> int:
    for note in machines(before, after):
        print(note)
    found = differences(before, after)
    for line in found:
        print(line)
    files = len(list(before.rglob("*.json"))) - 1
    print(f"{len(found)} differences" if found else f"equal: {files} files")
    return int(bool(found))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("two folders are needed: python -m tests.golden.compare BEFORE AFTER")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
