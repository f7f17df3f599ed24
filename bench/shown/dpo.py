"""DPO, shown to work: from a model that is polite half of the time to one that nearly always is.

    python -m bench.shown.dpo          prints the numbers and writes docs/images/dpo.svg

It is run with the SFT term and replay of the base's own words, with the SFT term alone, and with neither: two manners
are so easy to tell apart that the pairs alone drive the model away from both.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.shown import manners
from bench.shown.curves import Panel, by_step, write_svg
from whet import api
from whet.store.run import Run

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "dpo.svg"
REPLAY = {"keep.replay": "base", "keep.ratio": 0.25}


def run(
    folder: Path,
    start_rows: int = 800,
    start_steps: int = 220,
    rows: int = 800,
    prompts: int = 200,
    sft_weight: float = 1.0,
    replay: bool = True,
    **keys: Any,
) -> dict[str, Any]:
    """Tune on `rows` pairs and judge `prompts` held-out prompts; `keys` are further keys of the recipe."""
    base = manners.start(folder, start_rows, start_steps)
    data = manners.write(manners.pairs(rows, seed=2), folder / "pairs.jsonl")
    method = f"{{kind: dpo, sft_weight: {sft_weight}}}"
    settings: dict[str, Any] = {"base": str(base), "method": method, "learning_rate": 2e-4, "dtype": "float32"}
    settings |= {"split.near_duplicates": "false"} | (REPLAY if replay else {}) | keys
    name = f"dpo-{sft_weight:g}" + ("-replay" if replay else "")
    result = api.tune(str(data), run_root=folder / "runs", name=name, **settings)
    tuned = Run.open(folder / "runs" / name)
    facts = manners.judged(tuned, result, prompts)
    lines = by_step(tuned)
    return facts | {
        "first_loss": lines["loss"][0][1],
        "first_margin": lines["margin"][0][1],
        "first_gradient": lines["grad_norm"][0][1],
        "preference_accuracy": {side: result[side]["score"] for side in ("base", "tuned")},
        "chosen_gain": result["tuned"]["chosen_gain"],
        "rejected_gain": result["tuned"]["rejected_gain"],
        "curves": lines,
    }


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    kept, forgot, alone = run(folder), run(folder, replay=False), run(folder, sft_weight=0.0, replay=False)
    lines, without = kept.pop("curves"), alone.pop("curves")
    forgot.pop("curves")
    panels = [
        Panel("loss", "step", {"training": lines["loss"], "validation": lines["validation_loss"]}),
        Panel("reward", "step", {"chosen": lines["reward_chosen"], "rejected": lines["reward_rejected"]}),
        Panel("pairs that are right", "step", {"accuracy": lines["accuracy"]}),
        Panel("chosen: nats a token", "step", {"both": lines["nll_chosen"], "neither": without["nll_chosen"]}),
    ]
    write_svg(IMAGE, panels)
    print(json.dumps({"SFT term and replay": kept, "SFT term": forgot, "neither": alone}, indent=2))


if __name__ == "__main__":
    main()
