"""The seeded corpus of the nano model: documents about a small world, and its command line.

python -m nano.world --seed 0 --level 1 --rows 100000 --out level1.jsonl
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from random import Random

from nano.skills import skills
from nano.stories import story
from nano.tasks_arithmetic import arithmetic
from nano.tasks_classify import classify
from nano.tasks_convert import convert
from nano.tasks_copy import Pair, copy_text, lookup, lookup_many, remember, repeat
from nano.tasks_forms import fill_form, letter, replace_word
from nano.tasks_instructions import instructions
from nano.tasks_json import extract, json_text, pick_out
from nano.tasks_json_series import extract_by_example, extract_series
from nano.tasks_language import language
from nano.tasks_lists import list_task
from nano.tasks_passage import passage_pair, passage_series, passage_text
from nano.words import between
from nano.world_facts import facts_pair, facts_text

__all__ = ["documents", "skills", "KINDS"]

HELDOUT_OFFSET = 1_000_000_000  # seeds of the held-out stream start here; training seeds must stay below
SYSTEM_TURNS = (
    "You are a helpful assistant.",
    "Answer briefly.",
    "You are a careful helper.",
    "Answer exactly.",
    "You are nano, a small model.",
    "Be short and correct.",
)

TEXTS: dict[str, Callable[[Random, int], str]] = {
    "facts_text": facts_text,
    "story": story,
    "copy_text": copy_text,
    "json_text": json_text,
    "passage_text": passage_text,
}
PAIRS: dict[str, Callable[[Random, int], Pair]] = {
    "repeat": repeat,
    "lookup": lookup,
    "list": list_task,
    "fill_form": fill_form,
    "replace_word": replace_word,
    "letter": letter,
    "extract": extract,
    "extract_by_example": extract_by_example,
    "classify": classify,
    "pick_out": pick_out,
    "convert": convert,
    "passage": passage_pair,
    "facts": facts_pair,
    "arithmetic": arithmetic,
    "language": language,
    "instructions": instructions,
}
TURNS: dict[str, Callable[[Random, int], list[Pair]]] = {
    "lookup_many": lookup_many,
    "remember": remember,
    "passage_series": passage_series,
}
# Tiny exchanges are put into one conversation at higher levels, else they would be too short for them.
TINY = {"repeat", "list", "facts", "arithmetic", "language", "instructions"}

KINDS: dict[str, float] = {
    "facts_text": 10,
    "story": 16,
    "copy_text": 7,
    "json_text": 5,
    "passage_text": 3,
    "repeat": 4,
    "lookup": 7,
    "lookup_many": 2,
    "remember": 1.5,
    "list": 4,
    "fill_form": 1.5,
    "replace_word": 1,
    "letter": 0.5,
    "extract": 9,
    "extract_series": 4,
    "extract_by_example": 2,
    "classify": 3,
    "pick_out": 4,
    "convert": 5,
    "passage": 5,
    "passage_series": 1,
    "facts": 4.5,
    "arithmetic": 4,
    "language": 2.5,
    "instructions": 2.5,
}

# Too long for the first curriculum level, whose documents should fit into about 60 tokens.
LONG_KINDS = {"extract_series", "extract_by_example", "lookup_many", "fill_form", "letter", "replace_word"}


def documents(seed: int, level: int, kinds: dict[str, float] | None = None) -> Iterator[dict]:
    """Endless rows for one curriculum level; the same arguments always give the same rows."""
    shares = kinds or {kind: share for kind, share in KINDS.items() if level > 0 or kind not in LONG_KINDS}
    unknown = set(shares) - set(KINDS)
    if unknown:
        raise ValueError(f"unknown kinds {sorted(unknown)}; known are {sorted(KINDS)}")
    if level not in (0, 1, 2):
        raise ValueError(f"level must be 0, 1 or 2, not {level}")
    rng = Random(f"documents-{seed}-{level}")
    names, cumulative = list(shares), list(accumulate(shares.values()))
    while True:
        kind = rng.choices(names, cum_weights=cumulative)[0]
        yield one_document(rng, kind, level)


def one_document(rng: Random, kind: str, level: int) -> dict:
    # The full mixture keeps some medium rows, so that short distances are not forgotten.
    depth = 1 if level == 2 and rng.random() < 0.3 else level
    if kind in TEXTS:
        return {"text": TEXTS[kind](rng, depth), "kind": kind}
    if kind == "extract_series":
        system, turns = extract_series(rng, depth)
        return {"messages": conversation(turns, system), "kind": kind}
    if kind in TURNS:
        turns = TURNS[kind](rng, depth)
    else:
        count = between(rng, 1, 1 + 2 * level) if kind in TINY and level > 0 else 1
        turns = [PAIRS[kind](rng, depth) for _ in range(count)]
    system = SYSTEM_TURNS[int(rng.random() * len(SYSTEM_TURNS))] if rng.random() < 0.08 * level else None
    return {"messages": conversation(turns, system), "kind": kind}


def conversation(turns: list[Pair], system: str | None) -> list[dict]:
    messages = [{"role": "system", "content": system}] if system else []
    for user, answer in turns:
        messages.append({"role": "user", "content": user})
        messages.append({"role": "assistant", "content": answer})
    return messages


def stream_seed(seed: int, split: str) -> int:
    if not 0 <= seed < HELDOUT_OFFSET:
        raise ValueError(f"seed must lie in 0..{HELDOUT_OFFSET - 1}, not {seed}")
    return seed + HELDOUT_OFFSET if split == "heldout" else seed


def write_rows(out: Path, rows: Iterator[dict], row_limit: int | None, byte_limit: int | None) -> tuple[int, int]:
    """Write until a limit is reached, under a temporary name first; returns rows and bytes."""
    part = out.with_name(out.name + ".part")
    encode = json.JSONEncoder(ensure_ascii=False).encode
    row_count = byte_count = 0
    with part.open("wb") as file:
        for row in rows:
            if row_count == row_limit or (byte_limit is not None and byte_count >= byte_limit):
                break
            row_count += 1
            byte_count += file.write((encode(row) + "\n").encode())
    os.replace(part, out)
    return row_count, byte_count


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the seeded corpus of the nano model as JSONL.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--level", type=int, choices=(0, 1, 2), default=1)
    limit = parser.add_mutually_exclusive_group(required=True)
    limit.add_argument("--rows", type=int)
    limit.add_argument("--megabytes", type=float)
    parser.add_argument("--split", choices=("train", "heldout"), default="train")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    byte_limit = None if options.megabytes is None else int(options.megabytes * 1_000_000)
    rows = documents(stream_seed(options.seed, options.split), options.level)
    row_count, byte_count = write_rows(options.out, rows, options.rows, byte_limit)
    print(f"{row_count} rows, {byte_count / 1e6:.1f} MB in {options.out}")


if __name__ == "__main__":
    main()
