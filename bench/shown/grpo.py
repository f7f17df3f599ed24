"""grpo and rloo shown to work: which team a message is for, as JSON, learned from right and wrong alone.

    python -m bench.shown.grpo [FOLDER]    prints the numbers and writes docs/images/grpo.svg

A few steps of sft on the bundled base give a model that writes the form and is seldom right. From there both methods
see the messages and a reward of 1 for exactly the right object, 0 for anything else; they never see an answer.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import whet
from bench.shown.curves import Panel, smoothed, write_svg
from whet.demo_data.support_desk import generate
from whet.store.run import Run

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "grpo.svg"
METHODS = ("grpo", "rloo")
KEYS = ("intent", "urgency")
SMOOTH = 10


def run(
    folder: Path,
    methods: tuple[str, ...] = METHODS,
    rows: int = 1400,
    start: int = 18,
    steps: int = 120,
    test: int = 200,
) -> dict[str, Any]:
    """The share of held-out messages that are answered with exactly the right object: base, start, and each method."""
    data = write_messages(folder / "messages.jsonl", rows)
    shared = {"split.test": test, "split.validation": 40, "dtype": "float32", "evaluate.forgetting": "false"}
    sft = {"adapter": "full", "steps": start, "batch_tokens": 1024, "evaluate.every": start}
    began = whet.tune(str(data), run_root=folder / "runs", name="start", **shared | sft)
    found: dict[str, Any] = {"base": began["base"]["score"], "start": began["tuned"]["score"]}
    for method in methods:
        asked = {"method.kind": method, "method.rewards": "json", "method.max_new_tokens": 32, "learning_rate": 1e-3}
        asked |= {"base": str(Run.open(folder / "runs" / "start").model)}
        asked |= {"steps": steps, "evaluate.early_stop": "false"}
        result = whet.tune(str(data), run_root=folder / "runs", name=method, **shared | asked)
        assert result["base"]["score"] == found["start"]
        found[method] = result["tuned"]["score"]
        found[f"{method}_difference"] = [result["difference"][key] for key in ("estimate", "low", "high", "p")]
        found[f"{method}_verdict"] = result["verdict"]["word"]
        found[f"{method}_seconds"] = result["seconds"]
    return found


def write_messages(path: Path, rows: int) -> Path:
    """Messages to the demo's support desk, and of their answers what has to be understood rather than copied."""
    with path.open("w", encoding="utf-8") as file:
        for row in generate(rows, seed=7):
            answer = json.loads(row["completion"])
            short = json.dumps({key: answer[key] for key in KEYS})
            file.write(json.dumps({"prompt": row["prompt"], "completion": short}) + "\n")
    return path


def draw(runs: dict[str, Run], path: Path) -> Path:
    """Rewards, what is left to choose, and where the time goes, over the steps of each method."""

    def series(key: str) -> dict[str, list[tuple[float, float]]]:
        return {
            name: smoothed([(line["step"] + 1, line[key]) for line in run.metrics() if key in line], SMOOTH)
            for name, run in runs.items()
        }

    key = "validation_reward"
    validation = {
        name: [(line["step"], line[key]) for line in run.metrics() if key in line] for name, run in runs.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    panels = [
        Panel("Reward of sampled answers", "step", series("reward"), 0.0, 1.0),
        Panel("Reward of greedy answers", "step", validation, 0.0, 1.0),
        Panel("Entropy (nats a token)", "step", series("entropy"), 0.0),
        Panel("Groups whose answers are all alike", "step", series("groups_alike"), 0.0, 1.0),
    ]
    return write_svg(path, panels)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        chosen.mkdir(parents=True, exist_ok=True)
        print(json.dumps(run(chosen), indent=2))
        draw({name: Run.open(chosen / "runs" / name) for name in METHODS}, IMAGE)
