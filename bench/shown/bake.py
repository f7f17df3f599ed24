"""Prompt baking shown to work: the bundled base follows a system prompt, and then does so without it.

    python -m bench.shown.bake    prints the numbers and writes docs/images/bake.svg

Messages of nano's small world, whose true answers are known. The base reads fields out of them as JSON when a system
prompt names the keys, and guesses the keys without one. Its own answers with the prompt are collected (`whet collect`),
and the prompt is baked in.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import whet
from bench.shown.curves import Panel, smoothed, write_svg
from nano.tasks_json import answer_of
from nano.tasks_json_series import series
from whet.store.run import Run

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "bake.svg"
WORLD = 5
"""The seed of a domain whose messages hold an animal, a place and a sender."""
PROMPT = """Read the message and answer with a JSON object that has these keys:
- animal: the animal
- spot: the place
- sender: the name of the sender
If a value is not given, write null."""
ANSWER_TOKENS = 80


def messages(count: int) -> dict[str, dict[str, Any]]:
    """Messages with what they say, the same for the same count."""
    rng = Random(WORLD)
    notices = series(rng, 2, count)
    return {notice.message: json.loads(answer_of(notice, notices[0].wanted, "plain")) for notice in notices}


def run(folder: Path, rows: int = 700, **settings: Any) -> dict[str, Any]:
    """Collect, bake, measure: against the prompted base's own answers (as every run does), and against the truth."""
    truth = messages(rows)
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": message}) + "\n" for message in truth), "utf-8")
    answers = folder / "answers.jsonl"
    collected = whet.collect(prompts, "nano", answers, system=PROMPT, max_tokens=ANSWER_TOKENS)
    prompt = json.dumps(PROMPT)
    method = f"{{kind: bake, prompt: {prompt}}}"
    chosen = {"method": method, "dtype": "float32", "steps": 100, "learning_rate": 2e-3} | settings
    result = whet.tune(str(answers), run_root=folder / "runs", name="bake", **chosen)
    lines = [json.loads(line) for line in (folder / "runs" / "bake" / "answers.jsonl").read_text("utf-8").splitlines()]
    found = result["bake"]
    return {
        "collected": collected["rows"],
        "metric": result["metric"]["name"],
        "test_rows": result["difference"]["rows"],
        "base": result["base"]["score"],
        "tuned": result["tuned"]["score"],
        "prompted": found["prompted"]["score"],
        "verdict": result["verdict"]["word"],
        "difference": [result["difference"][key] for key in ("estimate", "low", "high")],
        "kept": [found["kept"][key] for key in ("estimate", "low", "high")],
        "request_tokens": found["request_tokens"],
        "divergence": found["divergence"],
        "truth": {side: true_share(lines, side, truth) for side in ("base", "prompted", "tuned")},
        "seconds": result["seconds"],
        "forgetting": result.get("forgetting", {}).get("statement"),
    }


def true_share(lines: list[dict[str, Any]], side: str, truth: dict[str, dict[str, Any]]) -> float:
    """Share of a side's answers that say what the message says."""
    return sum(parsed(line[side]) == truth[line["prompt"][-1]["content"]] for line in lines) / len(lines)


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def draw(made: Run, path: Path) -> Path:
    """The divergence over the steps, and its last part closer."""
    metrics = made.metrics()
    training = smoothed([(line["step"] + 1, line["loss"]) for line in metrics if "loss" in line], 8)
    validation = [(line["step"], line["validation_loss"]) for line in metrics if "validation_loss" in line]
    both = {"training": training, "validation": validation}
    late = {"training": training[10:], "validation": [point for point in validation if point[0] > 10]}
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_svg(
        path,
        [
            Panel("KL to the prompted base (nats a token)", "step", both, 0.0),
            Panel("The same from step 11 on", "step", late, 0.0),
        ],
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = run(folder)
        draw(Run.open(folder / "runs" / "bake"), IMAGE)
        json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
