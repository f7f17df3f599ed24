"""What a file of rows is for, by its first row; and its lines, named as whoever sent it knows them. Light."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PLACE = re.compile(r"[^\s(\[]*?(training|validation)\.jsonl:(\d+)")


def method_of_file(path: Path) -> dict[str, Any]:
    """By the first row: pairs, prompts for answers to be graded, or answers to learn."""
    with path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"")
    try:
        row = json.loads(first)
    except ValueError:
        row = {}

    if isinstance(row, dict) and "preferred_output" in row:
        return {"kind": "dpo"}
    turns = row.get("messages") if isinstance(row, dict) else None
    roles = {turn.get("role") for turn in turns if isinstance(turn, dict)} if isinstance(turns, list) else set()
    if roles and "assistant" not in roles:
        return {"kind": "grpo", "rewards": [{"kind": "length", "most": 1000}]}
    return {"kind": "sft"}


def plain_places(text: str) -> str:
    """`.../training.jsonl:4` as `line 4`, and no path of the server's."""
    text = PLACE.sub(lambda match: f"line {match[2]}" + (" of the validation file" * (match[1] == "validation")), text)
    return re.sub(r"[^\s(\[]*\b(training|validation)\.jsonl", r"the \1 file", text)
