"""What each way of keeping the base keeps, and what it costs at the task, on the demo's rows.

    python -m bench.shown.forgetting [NAME ...]    prints one line of JSON a variant; all of them without a name
    python -m bench.shown.forgetting --base FOLDER --task banking --rows 400 --lines FILE NAME ...

Every variant is one `whet tune` of a base on the same rows, measured by the same suites: nothing is chosen afterwards.
All variants of the bundled base together also write the table of docs/measuring/forgetting.md and draw
docs/images/forgetting.svg; the lines of another base, collected in FILE, make the second table of that page.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable
from html import escape
from pathlib import Path
from random import Random
from typing import Any

import whet
from bench.shown.pages import DOCS, table, write_tables
from nano.skills import skills
from nano.world import stream_seed
from whet import api
from whet.demo_data.support_desk import generate

IMAGE = DOCS / "images" / "forgetting.svg"
GENERAL = "general.jsonl"
OFF = {"keep": "false"}
EACH = {"keep.replay": "base", "keep.every": 1, "keep.ratio": 0.2}
VARIANTS: dict[str, dict[str, Any]] = {
    "nothing": OFF,
    "half the way": {"take": 0.5},
    "the way chosen by whet frontier": {"take": "auto"},
    "all weights": {"adapter": "full"} | OFF,
    "a third of the rate": {"learning_rate": 2e-3} | OFF,
    "KL on the answers": {"keep.replay": "none", "keep.kl": 0.3},
    "replay of general data": {"keep.replay": GENERAL, "keep.every": 1},
    "replay of own words": EACH | {"keep.kl": 0.0},
    "own words by KL": EACH | {"keep.kl": 1.0},
    "more own words by KL": EACH | {"keep.kl": 2.0, "keep.ratio": 0.3},
    "the rule": {},
}
"""What each adds to the recipe; `take` is a point of the run with nothing, which must stand in the same folder."""


def run(folder: Path, name: str, rows: int = 1500, task: str = "desk", **settings: Any) -> dict[str, Any]:
    """One variant: its task score, and the loss of each measure with its interval, its budget and the word."""
    folder.mkdir(parents=True, exist_ok=True)
    data = written(folder / f"{task}.jsonl", TASKS[task](rows))
    chosen = dict(VARIANTS[name])
    if "take" in chosen:
        scale = chosen["take"] if chosen["take"] != "auto" else api.frontier("nothing", run_root=folder)["scale"]
        result = api.take("nothing", scale, run_root=folder)
    else:
        if chosen.get("keep.replay") == GENERAL:
            chosen["keep.replay"] = str(written(folder / GENERAL, general_rows()))
        result = whet.tune(str(data), run_root=folder, name=name.replace(" ", "-").lower(), **chosen | settings)
    measures = {one["name"]: one for one in result["forgetting"]["measures"]}
    kept = ("loss", "low", "high", "budget", "word")
    return {
        "variant": name,
        "task": task,
        "score": result["tuned"]["score"],
        "measures": {key: {field: one[field] for field in kept} for key, one in measures.items()},
        "ship": result["ship"]["answer"],
        "seconds": result["seconds"],
    }


def intents(rows: int) -> list[dict[str, Any]]:
    """Messages of 20 of the 77 intents of Banking77, from the folder in WHET_DATA."""
    with (Path(os.environ["WHET_DATA"]) / "banking77" / "train.csv").open(newline="", encoding="utf-8") as table:
        found = list(csv.DictReader(table))
    rng, names = Random(0), sorted({row["category"] for row in found})
    rng.shuffle(names)
    chosen = [row for row in found if row["category"] in set(names[:20])]
    rng.shuffle(chosen)
    return [{"prompt": row["text"], "completion": row["category"]} for row in chosen[:rows]]


def questions(rows: int) -> list[dict[str, Any]]:
    """Questions of MedQuAD with an answer of 60 to 400 characters, from the folder in WHET_DATA."""
    lines = (Path(os.environ["WHET_DATA"]) / "medquad" / "medquad.jsonl").read_text("utf-8").splitlines()
    found = [row for row in map(json.loads, lines) if 60 < len(row["answer"] or "") < 400]
    Random(0).shuffle(found)
    return [{"prompt": row["question"], "completion": row["answer"]} for row in found[:rows]]


TASKS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "desk": lambda rows: generate(rows, 0), "banking": intents, "medquad": questions,
}  # fmt: skip


def general_rows(per_skill: int = 180) -> list[dict[str, Any]]:
    """Prompts of the base's world with the world's own answers: general data, as a user might have it."""
    items = skills(stream_seed(31, "train"), per_skill)
    return [
        {"prompt": item["messages"][0]["content"], "completion": item["answer"]}
        for found in items.values()
        for item in found
    ]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def ways(found: list[dict[str, Any]]) -> str:
    """Losses told as changes, so that a loss of skill is a minus and a rise of the loss on text is a plus."""
    rows = []
    for one in found:
        skills, text, drift = (one["measures"][name] for name in ("skills", "general-text", "kl-general"))
        rows.append(
            (
                one["variant"],
                asked(one["variant"]),
                f"{100 * one['score']:.1f}%",
                f"{-100 * skills['loss']:+.1f} ({-100 * skills['high']:+.1f} to {-100 * skills['low']:+.1f})",
                f"{100 * text['loss']:+.1f} ({100 * text['low']:+.1f} to {100 * text['high']:+.1f})%",
                f"{drift['loss']:.2f}",
            )
        )
    return table(("what", "recipe", "task", "skills, points", "general text, loss", "KL on general text"), rows)


def asked(variant: str) -> str:
    """What one types for it after `whet tune desk.jsonl`, or on the finished run with nothing."""
    keys = VARIANTS[variant]
    if "take" in keys:
        return f"`whet frontier nothing --take {'SCALE' if keys['take'] == 'auto' else keys['take']}`"
    return " ".join(f"`--set {key}={value}`" for key, value in keys.items())


def draw(found: list[dict[str, Any]], path: Path) -> Path:
    """Task score upwards, points of skill kept to the right; one numbered point a variant, named beside the plot."""
    wide, tall, left, right, top, bottom = 760, 340, 70, 470, 40, 280
    worst = max(0.05, *(one["measures"]["skills"]["loss"] for one in found))
    low = math.floor(10 * min(one["score"] for one in found)) / 10
    parts = [
        f'<rect width="100%" height="100%" fill="#fff"/><text x="{left}" y="22" font-weight="bold">'
        "Task score against what became of the base's skills</text>",
        f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#999"/>',
        f'<text x="{left - 6}" y="{top + 4}" text-anchor="end">100%</text>',
        f'<text x="{left - 6}" y="{bottom}" text-anchor="end">{100 * low:.0f}%</text>',
        f'<text x="{left}" y="{bottom + 18}" text-anchor="middle">{-100 * worst:.0f} points</text>',
        f'<text x="{right}" y="{bottom + 18}" text-anchor="middle">nothing lost</text>',
    ]
    for number, one in enumerate(found, 1):
        x = left + (right - left) * (1 - max(0.0, one["measures"]["skills"]["loss"]) / worst)
        y = bottom - (bottom - top) * (one["score"] - low) / (1 - low)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1a5fb4"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{number}</text>')
        parts.append(f'<text x="{right + 50}" y="{top + 22 * number}">{number}  {escape(one["variant"])}</text>')
    size = f'width="{wide}" height="{tall}" viewBox="0 0 {wide} {tall}"'
    style = 'font-family="sans-serif" font-size="12" fill="#222"'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(parts)}</svg>\n', "utf-8")
    return path


def costs(found: list[dict[str, Any]]) -> str:
    """Of tunes of a real base: task, general text and time, with what keeping took of it."""
    rows = []
    for one in found:
        text = one["measures"]["general-text"]
        rise = f"{100 * text['loss']:+.1f} ({100 * text['low']:+.1f} to {100 * text['high']:+.1f})%"
        told = (one["task"], one["variant"], asked(one["variant"]), f"{100 * one['score']:.1f}%", rise)
        rows.append((*told, f"{one['seconds']:.0f} s"))
    return table(("data", "what", "recipe", "task score", "general text, loss", "training"), rows)


def main(words: list[str]) -> None:
    asked_for = argparse.ArgumentParser(prog="python -m bench.shown.forgetting")
    asked_for.add_argument("names", nargs="*", metavar="NAME")
    asked_for.add_argument("--base", default="nano")
    asked_for.add_argument("--task", default="desk", choices=TASKS)
    asked_for.add_argument("--rows", type=int, default=1500)
    asked_for.add_argument("--steps", type=int)
    asked_for.add_argument("--lines", type=Path, help="keep the lines of another base here, and make its table of them")
    given = asked_for.parse_args(words)
    found = []
    settings: dict[str, Any] = {"base": given.base} | ({"steps": given.steps} if given.steps else {})
    with tempfile.TemporaryDirectory() as folder:
        wanted = given.names or list(VARIANTS)
        if any("take" in VARIANTS[name] for name in wanted):
            wanted = list(dict.fromkeys(["nothing", *wanted]))
        for name in wanted:
            found.append(run(Path(folder), name, given.rows, given.task, **settings))
            print(json.dumps(found[-1]), flush=True)
            if given.lines:
                with given.lines.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(found[-1]) + "\n")
    if given.lines:
        lines = [json.loads(line) for line in given.lines.read_text("utf-8").splitlines()]
        write_tables(DOCS / "measuring" / "forgetting.md", {"costs": costs(lines)})
    elif not given.names:
        write_tables(DOCS / "measuring" / "forgetting.md", {"ways": ways(found)})
        draw(found, IMAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
