"""Whole tunes against their plans, as a Markdown table: `python -m bench.plan_tunes FOLDER nano PATH_OF_ANOTHER_BASE`.

Each tune is a process of its own over rows of the demo: a few steps, a small test part. Memory is the most that the
system gave the process. Time is compared as processor seconds with one thread (OMP_NUM_THREADS=1), which a busy machine
disturbs less than the clock; the plan's is the middle of its range, and its calibration must be of as many threads.
Runs that lie in FOLDER already are not made again; `--only sft-lora` names what is.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from bench.plan_phases import in_a_process
from whet import api
from whet.demo_data.support_desk import generate

ROWS, TEST, VALIDATION, STEPS = 300, 12, 4, 3
METHODS: dict[str, dict[str, Any]] = {
    "sft": {"method.kind": "sft"},
    "dpo": {"method.kind": "dpo"},
    "grpo": {
        "method.kind": "grpo", "method.rewards": "json", "method.max_new_tokens": 32, "method.prompts": 4,
    },
}  # fmt: skip
ADAPTERS = ("lora", "full")


def write_rows(folder: Path) -> dict[str, Path]:
    """The data of each method: answers, pairs with another message's answer, and the same answers as a reward."""
    rows = list(generate(ROWS, seed=7))
    others = [*rows[1:], rows[0]]
    pairs = [
        {"prompt": row["prompt"], "chosen": row["completion"], "rejected": other["completion"]}
        for row, other in zip(rows, others, strict=True)
    ]
    files = {"sft": rows, "dpo": pairs, "grpo": rows}
    folder.mkdir(parents=True, exist_ok=True)
    for method, lines in files.items():
        (folder / f"{method}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return {method: folder / f"{method}.jsonl" for method in files}


def recipe_of(base: str, method: str, adapter: str, data: Path) -> dict[str, Any]:
    sizes = {"steps": STEPS, "split.test": TEST, "split.validation": VALIDATION, "evaluate.every": STEPS}
    return {"data": str(data), "base": base, "adapter.kind": adapter, **METHODS[method], **sizes}


def seen(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the tune took: watched now, or read from where an earlier one left it."""
    file = folder / "seen.json"
    if not file.exists():
        found = in_a_process(dict(recipe), folder)
        file.write_text(json.dumps(found), "utf-8")
    return json.loads(file.read_text("utf-8"))


def line(name: str, recipe: dict[str, Any], folder: Path) -> str:
    """One row of the table."""
    keys = dict(recipe)
    plan = api.plan(keys.pop("data"), run_root=folder, **keys)
    found = seen(recipe, folder)
    memory, peak = plan["memory"]["total"], found["peak"]
    time, work = plan["time"], sum(phase["work"] for phase in found["phases"])
    sizes = f"{memory / 1e6:,.0f} MB | {peak / 1e6:,.0f} MB | {100 * (memory / peak - 1):+.0f}%"
    asked = time["total"] - time["opponents"] if not opposed(found) else time["total"]
    return f"| {name} | {sizes} | {asked:.0f} s | {work:.0f} s | {100 * (asked / work - 1):+.0f}% |"


def opposed(found: dict[str, Any]) -> bool:
    """Does this version of Whet ask opponents at all?"""
    return any("opponent" in phase["phase"] for phase in found["phases"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("bases", nargs="+")
    parser.add_argument("--only", help="Of these tunes, those whose name holds this.")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    files = write_rows(options.folder / "rows")
    print("| tune | predicted | seen | error | time predicted | seen | error |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for base in options.bases:
        for method in METHODS:
            for adapter in ADAPTERS:
                name = f"{Path(base).name}-{method}-{adapter}"
                if not options.only or options.only in name:
                    recipe = recipe_of(base, method, adapter, files[method])
                    print(line(name, recipe, options.folder / name), flush=True)


if __name__ == "__main__":
    main()
