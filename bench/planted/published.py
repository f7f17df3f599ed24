"""What the checks name in published sets, which nobody has labelled: an upper bound of their false alarms there.

WHET_DATA=... python -m bench.planted.published
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from whet import api

SETS: dict[str, dict[str, Any]] = {
    "gsm8k/train.jsonl": {},
    "banking77/train.csv": {},
    "medquad/medquad.jsonl": {},
    "raschka/instruction-data.json": {},
    "mbpp/mbpp.jsonl": {"columns.prompt": "text", "columns.completion": "code"},
    "hh_rlhf/harmless-base-test.jsonl.gz": {},
}


def run(data: Path, codes: Collection[str]) -> dict[str, tuple[int, dict[str, int]]]:
    """By set: its rows, and how many of them each check names."""
    found = {}
    for name, keys in SETS.items():
        with tempfile.TemporaryDirectory() as folder:
            result = api.check(data / name, run_root=folder, only=codes, **keys)
        counts: dict[str, int] = {}
        for finding in result["findings"]:
            counts[finding["code"]] = counts.get(finding["code"], 0) + finding["count"]
        found[name.split("/")[0]] = (result["rows"], counts)
    return found


def table(found: dict[str, tuple[int, dict[str, int]]]) -> str:
    codes = sorted({code for _, counts in found.values() for code in counts})
    heads = [f"{name} ({rows:,} rows)" for name, (rows, _) in found.items()]
    lines = [f"| check | {' | '.join(heads)} |", "| --- |" + " --- |" * len(heads)]
    for code in codes:
        counts = [counts.get(code, 0) for _, counts in found.values()]
        lines.append(f"| `{code}` | {' | '.join(f'{count:,}' if count else '' for count in counts)} |")
    return "\n".join(lines)


def data_folder() -> Path:
    """Where the published sets are. Raises KeyError where WHET_DATA is not set."""
    return Path(os.environ["WHET_DATA"])


if __name__ == "__main__":
    from bench.planted.plants import all_plants

    print(table(run(data_folder(), list(all_plants()))))
