"""Classifiers shown to work: several rules for made-up comments at once, and the 77 intents of Banking77.

    python -m bench.shown.classify [moderation | banking77]    prints the numbers; moderation writes
                                                               docs/images/classify.svg

`banking77` reads banking77/train.csv from WHET_DATA and holds out 500 rows of it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import whet
from bench.shown.curves import Panel, smoothed, write_svg
from bench.shown.moderation import write_comments
from whet.store.run import Run

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "classify.svg"
BANKING = Path("banking77") / "train.csv"
SMOOTH = 15


def run(folder: Path, rows: int = 1500, **settings: Any) -> dict[str, Any]:
    """Which rules a comment breaks: none, one or several of four."""
    data = write_comments(folder / "comments.jsonl", rows, seed=0)
    chosen = {"method": "{kind: classify, task: multi-label}", "dtype": "float32", "split.test": 0.2}
    chosen |= {"schedule.kind": "cosine"} | settings
    result = whet.tune(str(data), run_root=folder / "runs", name="moderation", **chosen)
    thresholds = {entry.pop("class"): entry for entry in result["thresholds"]["classes"]}
    return numbers(result) | {"thresholds": thresholds, "chosen_on": result["thresholds"]["chosen_on"]}


def run_banking(folder: Path, data: Path, **settings: Any) -> dict[str, Any]:
    """Which of 77 intents a message to a bank has."""
    chosen = {"method": "classify", "dtype": "float32", "epochs": 2} | settings
    return numbers(whet.tune(str(data), run_root=folder / "runs", name="banking77", **chosen))


def numbers(result: dict[str, Any]) -> dict[str, Any]:
    """What the page states of a run."""
    tuned, base = result["tuned"], result["base"]
    return {
        "metric": result["metric"],
        "score": tuned["score"],
        "interval": [tuned["low"], tuned["high"]],
        "accuracy": tuned["accuracy"],
        "macro_f1": tuned["macro_f1"],
        "base": base["score"],
        "base_kind": base["kind"],
        "difference": [result["difference"][key] for key in ("estimate", "low", "high")],
        "verdict": result["verdict"]["word"],
        "rows": result["difference"]["rows"],
        "ece": result["calibration"]["ece"],
        "seconds": result["seconds"],
    }


def draw(made: Run, path: Path) -> Path:
    """Loss and accuracy over the steps, and the reliability of what it names."""
    lines = made.metrics()

    def series(key: str) -> list[tuple[float, float]]:
        return smoothed([(line["step"] + 1, line[key]) for line in lines if key in line], SMOOTH)

    validation = [(line["step"], line["validation_loss"]) for line in lines if "validation_loss" in line]
    bins = made.read_json("evaluation.json")["calibration"]["bins"]
    reliability = [(row["confidence"], row["right"]) for row in bins]
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_svg(
        path,
        [
            Panel("Loss (nats)", "step", {"training": series("loss"), "validation": validation}, low=0.0),
            Panel("Rows with all classes right", "step", {"training": series("accuracy")}, 0.0, 1.0),
            Panel("Held out", "probability", {"there": reliability, "honest": [(0.0, 0.0), (1.0, 1.0)]}, 0.0, 1.0),
        ],
    )


def main(which: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if which == "banking77":
            found = run_banking(folder, Path(os.environ["WHET_DATA"]) / BANKING)
        else:
            found = run(folder)
            draw(Run.open(folder / "runs" / "moderation"), IMAGE)
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "moderation")
