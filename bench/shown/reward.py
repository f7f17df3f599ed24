"""Reward models shown to work: on preferences of nano's small world, and on the real pairs of HH-RLHF.

    python -m bench.shown.reward [world | hh]    prints the numbers; world writes docs/images/reward.svg

`world` holds out facts that no training pair asks about. `hh` reads hh_rlhf/harmless-base-test.jsonl.gz from WHET_DATA
and holds out a fifth of it.
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
from bench.shown.world_preferences import kind_of, pairs, write_pairs
from whet.store.run import Run

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "reward.svg"
HH = Path("hh_rlhf") / "harmless-base-test.jsonl.gz"
SMOOTH = 15


def run(folder: Path, rows: int = 2000, test_rows: int = 400, **settings: Any) -> dict[str, Any]:
    """A reward model from `rows` pairs of the small world: accuracy on held-out pairs, whole and by kind of pair."""
    data = write_pairs(folder / "train.jsonl", rows, seed=0)
    test = write_pairs(folder / "test.jsonl", test_rows, seed=0, held_out=True)
    chosen = {"learning_rate": 4e-3, "dtype": "float32"} | settings
    result = whet.tune(str(data), run_root=folder / "runs", name="world", method="reward", test=str(test), **chosen)
    return numbers(result) | {"by_kind": by_kind(Run.open(folder / "runs" / "world"), test_rows)}


def by_kind(made: Run, test_rows: int) -> dict[str, dict[str, float]]:
    """Accuracy by what the two answers differ in."""
    kinds = [kind_of(pair) for pair in pairs(test_rows, seed=0, held_out=True)]
    found: dict[str, list[float]] = {}
    for line in map(json.loads, (made.folder / "answers.jsonl").read_text("utf-8").splitlines()):
        place = int(str(line["where"]).rpartition(":")[2]) - 1
        found.setdefault(kinds[place], []).append(line["tuned_score"])
    return {kind: {"pairs": len(scores), "accuracy": sum(scores) / len(scores)} for kind, scores in found.items()}


def run_hh(folder: Path, data: Path, **settings: Any) -> dict[str, Any]:
    """A reward model from real pairs of people's choices."""
    chosen = {"dtype": "float32", "split.test": 0.2, "drop_budget": 0.1} | settings
    return numbers(whet.tune(str(data), run_root=folder / "runs", name="hh", method="reward", **chosen))


def numbers(result: dict[str, Any]) -> dict[str, Any]:
    """What the page states of a run."""
    return {
        "accuracy": result["tuned"]["score"],
        "interval": [result["tuned"]["low"], result["tuned"]["high"]],
        "base": result["base"]["score"],
        "base_kind": result["base"]["kind"],
        "base_likelihood": result["base"]["likelihood_accuracy"],
        "difference": [result["difference"][key] for key in ("estimate", "low", "high")],
        "verdict": result["verdict"]["word"],
        "pairs": result["difference"]["rows"],
        "ece": result["calibration"]["ece"],
        "reward_mean": result["tuned"]["reward_mean"],
        "seconds": result["seconds"],
        "ledger": {key: result["ledger"][key] for key in ("rows_in", "trained", "held_out", "dropped")},
    }


def draw(made: Run, path: Path) -> Path:
    """Loss, accuracy and the rewards of both answers over the steps."""
    lines = made.metrics()

    def series(key: str, window: int = SMOOTH) -> list[tuple[float, float]]:
        return smoothed([(line["step"] + 1, line[key]) for line in lines if key in line], window)

    validation = [(line["step"], line["validation_loss"]) for line in lines if "validation_loss" in line]
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_svg(
        path,
        [
            Panel("Loss (nats)", "step", {"training": series("loss"), "validation": validation}, low=0.0),
            Panel("Share of pairs in the right order", "step", {"training": series("accuracy")}, 0.4, 1.0),
            Panel("Reward", "step", {"chosen": series("reward_chosen"), "rejected": series("reward_rejected")}),
        ],
    )


def main(which: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if which == "hh":
            found = run_hh(folder, Path(os.environ["WHET_DATA"]) / HH)
        else:
            found = run(folder)
            draw(Run.open(folder / "runs" / "world"), IMAGE)
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "world")
