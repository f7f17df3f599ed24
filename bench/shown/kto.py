"""KTO, shown to work: from a model that is polite half of the time to one that nearly always is, by thumbs alone.

python -m bench.shown.kto          prints the numbers and writes docs/images/kto.svg
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.shown import manners
from bench.shown.panels import Panel, curves, write_svg
from whet import api
from whet.store.run import Run

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "kto.svg"


def run(
    folder: Path, start_rows: int = 800, start_steps: int = 220, rows: int = 1200, prompts: int = 200, **keys: Any
) -> dict[str, Any]:
    """Tune on `rows` marked answers, three good ones to each bad one, and judge `prompts` held-out prompts; `keys` are
    keys of the recipe."""
    base = manners.start(folder, start_rows, start_steps)
    data = manners.write(manners.marked(rows, seed=3, good=0.75), folder / "marked.jsonl")
    settings: dict[str, Any] = {"base": str(base), "learning_rate": 2e-4, "dtype": "float32"}
    settings |= {"split.near_duplicates": "false", **keys}
    result = api.tune(str(data), run_root=folder / "runs", name="kto", **settings)
    tuned = Run.open(folder / "runs" / "kto")
    lines = curves(tuned)
    told = ("good_up", "bad_down", "good_gain", "bad_gain", "separation")
    return manners.judged(tuned, result, prompts) | {
        "weights": {key: getattr(tuned.recipe.method, key) for key in ("desirable_weight", "undesirable_weight")},
        "mark_accuracy": {side: result[side]["score"] for side in ("base", "tuned")},
        **{key: result["tuned"][key] for key in told},
        "curves": lines,
    }


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    facts = run(folder)
    lines = facts.pop("curves")
    panels = [
        Panel("loss", {"training": lines["loss"], "validation": lines["validation_loss"]}),
        Panel("reference point (kl), nats", {"kl": lines["kl"]}),
        Panel("reward", {"good": lines["reward_good"], "bad": lines["reward_bad"]}),
        Panel("answers that moved rightly", {"accuracy": lines["accuracy"]}),
    ]
    write_svg(panels, IMAGE)
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
