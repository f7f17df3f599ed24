"""Plain-text books as rows for pre-training; every eighth book is left out, to measure on.

python -m nano.books FOLDER --out nano/build/books.jsonl
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from whet.store.atomic import write_text

EVERY = 8
PIECE = 1500
"""Characters of a row: about 450 tokens, so that a row fits in a block of 512."""


def books(folder: Path) -> tuple[list[Path], list[Path]]:
    """(to train on, held out), in the order of their names."""
    paths = sorted(folder.glob("*.md"))
    if not paths:
        raise SystemExit(f"there are no .md files in {folder}")
    held_out = paths[::EVERY]
    return [path for path in paths if path not in held_out], held_out


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="ignore").replace("\r\n", "\n")


def pieces(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        text = text_of(path)
        yield from (text[at : at + PIECE] for at in range(0, len(text) - PIECE, PIECE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    train, held_out = books(options.folder)
    write_text(options.out, "".join(json.dumps({"text": piece}) + "\n" for piece in pieces(train)))
    print(f"{len(train)} books in {options.out}; left out: {', '.join(path.stem for path in held_out)}")


if __name__ == "__main__":
    main()
