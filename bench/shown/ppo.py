"""ppo with a reward model shown to work, and what happens without its KL term.

    python -m bench.shown.ppo [FOLDER]    prints the numbers and writes docs/images/ppo.svg

The reward model learns from preferences of nano's small world (bench/shown/reward.py). A few steps of sft on answers of
every quality give a model that is right, polite and short only now and then. ppo makes the reward model's score grow;
the true rule that made the preferences is logged beside it with a weight of 0, so it teaches nothing and tells whether
the growth is real.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import whet.api
from bench.shown import reward
from bench.shown.curves import Panel, smoothed, write_svg
from bench.shown.world_preferences import Asked, ask, points, write
from whet.store.run import Run

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "ppo.svg"
RULE = f"{Path(__file__).resolve()}:rule"
KLS = {"kl 0.4": 0.4, "kl 0": 0.0}
BEST = 3
"""Points of an answer that is right, polite and short."""
SMOOTH = 10


def rule(prompts: list[Any], answers: list[str], rows: list[dict[str, Any]]) -> list[float]:
    """1 for an answer that is right, polite and short: what the preferences were made from."""
    asked = [Asked(row["prompt"], row["right"], row["sentence"], tuple(row["wrong"])) for row in rows]
    return [float(points(one, answer) == BEST) for one, answer in zip(asked, answers, strict=True)]


def run(
    folder: Path, pairs: int = 1500, rows: int = 600, start: int = 160, steps: int = 120, test: int = 120
) -> dict[str, Any]:
    """The reward model's score and the true rule's rate on held-out prompts: at the start and after ppo, with the KL
    term and without it."""
    (folder / "reward").mkdir(parents=True, exist_ok=True)
    judged = reward.run(folder / "reward", rows=pairs)
    learned, asked = write_prompts(folder, rows, False), write_prompts(folder, test, True)
    shared: dict[str, Any] = {"dtype": "float32", "split.near_duplicates": "false", "evaluate.forgetting": "false"}
    sft = shared | {"adapter": "full", "steps": start, "batch_tokens": 2048, "split.validation": 40}
    sft |= {"evaluate.every": start}
    whet.api.train(str(learned), run_root=folder / "runs", name="start", **sft)
    rewards = [{"kind": "model", "model": str(folder / "reward" / "runs" / "world")}]
    rewards += [{"kind": "function", "function": RULE, "weight": 0.0}]
    found: dict[str, Any] = {"reward_model_accuracy": judged["accuracy"]}
    for name, kl in KLS.items():
        settings = {"kind": "ppo", "rewards": rewards, "kl": kl, "prompts": 32, "max_new_tokens": 48}
        keys = shared | {"base": str(Run.open(folder / "runs" / "start").model)}
        keys |= {"method": json.dumps(settings), "steps": steps}
        keys |= {"test": str(asked), "split.validation": 40, "evaluate.early_stop": "false", "learning_rate": 5e-4}
        result = whet.api.tune(str(learned), run_root=folder / "runs", name=name.replace(" ", "-"), **keys)
        found["start"] = result["base"]["rewards"]
        found[name] = result["tuned"]["rewards"] | {"verdict": result["verdict"]["word"], "seconds": result["seconds"]}
        found[name]["kl_answer"] = last(Run.open(folder / "runs" / name.replace(" ", "-")), "kl_answer")
    return found


def write_prompts(folder: Path, rows: int, held_out: bool) -> Path:
    """Questions about facts of one part, with answers of every quality to start from, and what the rule must know."""
    rng = Random(f"ppo-{held_out}")
    path = folder / f"{'held-out' if held_out else 'learned'}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            asked = ask(rng, held_out)
            answer = write(rng, asked, *(rng.random() < 0.5 for _ in range(3)))
            row = {"prompt": asked.prompt, "completion": answer, "right": asked.right, "wrong": asked.wrong}
            file.write(json.dumps(row | {"sentence": asked.sentence}) + "\n")
    return path


def last(made: Run, key: str) -> float:
    """The mean of the last values of a run."""
    values = [line[key] for line in made.metrics() if key in line][-SMOOTH:]
    return sum(values) / len(values)


def draw(runs: dict[str, Run], path: Path) -> Path:
    """What the reward model says, what is true, and how far the model went."""

    def series(key: str) -> dict[str, list[tuple[float, float]]]:
        return {
            name: smoothed([(line["step"] + 1, line[key]) for line in made.metrics() if key in line], SMOOTH)
            for name, made in runs.items()
        }

    path.parent.mkdir(parents=True, exist_ok=True)
    panels = [
        Panel("Reward model's score", "step", series("reward/model")),
        Panel("Right, polite and short (the true rule)", "step", series("reward/function"), 0.0, 1.0),
        Panel("KL to the base (nats an answer)", "step", series("kl_answer")),
        Panel("Value loss", "step", series("value_loss"), 0.0),
    ]
    return write_svg(path, panels)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        chosen.mkdir(parents=True, exist_ok=True)
        print(json.dumps(run(chosen), indent=2))
        draw({name: Run.open(chosen / "runs" / name.replace(" ", "-")) for name in KLS}, IMAGE)
