"""On-policy distillation shown to work: a tuned model of the support desk teaches another.

    python -m bench.shown.distil [cold]    prints the numbers; without `cold` writes docs/images/distil.svg

The teacher is the bundled base after `sft` on made-up messages to a support desk, the demo's task. The student has seen
a few of these answers, enough to begin as the teacher does; then it sees other messages, never an answer, and is
measured on the true answers of a third set. `cold` leaves the few answers out: the student is the bundled base as it
is.
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

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "distil.svg"
TEACHER, WARM, STUDENT = "teacher", "warm", "student"
WARM_STEPS = 25


def run(
    folder: Path, teacher_rows: int = 1000, warm_rows: int = 80, prompts: int = 800, test_rows: int = 100,
    teacher_settings: dict[str, Any] | None = None, warm_settings: dict[str, Any] | None = None, **settings: Any,
) -> dict[str, Any]:  # fmt: skip
    """Tune the teacher, warm the student up on `warm_rows` (0: not at all), distil, measure all on the same rows."""
    quick = {"dtype": "float32", "steps": 90, "evaluate.forgetting": "false"}
    desk = written(folder / "desk.jsonl", generate(teacher_rows, seed=0))
    taught = whet.tune(str(desk), run_root=folder, name=TEACHER, **quick | (teacher_settings or {}))
    base = "nano"
    if warm_rows:
        few = written(folder / "few.jsonl", generate(warm_rows, seed=3))
        warm = {"adapter": "full", "steps": WARM_STEPS, "split.near_duplicates": "false"}
        whet.tune(str(few), run_root=folder, name=WARM, **quick | warm | (warm_settings or {}))
        base = str(folder / WARM / "model")
    asked = [{"prompt": row["prompt"]} for row in generate(prompts, seed=1)]
    test = written(folder / "test.jsonl", generate(test_rows, seed=2))
    method = f"{{kind: distil, teacher: {TEACHER}, max_new_tokens: 80}}"
    chosen = {"method": method, "test": str(test), "dtype": "float32", "drop_budget": 1.0, "base": base} | settings
    chosen = {"steps": 60, "learning_rate": 2e-3} | chosen
    data = written(folder / "prompts.jsonl", asked)
    result = whet.tune(str(data), run_root=folder, name=STUDENT, **chosen)
    found = result["distil"]
    return {
        "teacher_on_its_own_test": taught["tuned"]["score"],
        "metric": result["metric"]["name"],
        "test_rows": result["difference"]["rows"],
        "references": found["references"],
        "base": result["base"]["score"],
        "tuned": result["tuned"]["score"],
        "teacher": found["teacher"]["score"],
        "verdict": result["verdict"]["word"],
        "difference": [result["difference"][key] for key in ("estimate", "low", "high")],
        "gap": [found["gap"][key] for key in ("estimate", "low", "high")],
        "divergence": found["divergence"],
        "seconds": result["seconds"],
        "dropped": result["ledger"]["dropped"],
    }


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def draw(made: Run, path: Path) -> Path:
    """The divergence on the student's own answers, and how long they are."""
    metrics = made.metrics()

    def series(key: str) -> list[tuple[float, float]]:
        return smoothed([(line["step"] + 1, line[key]) for line in metrics if key in line], 5)

    validation = [(line["step"], line["validation_loss"]) for line in metrics if "validation_loss" in line]
    both = {"training": series("loss"), "validation": validation}
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_svg(
        path,
        [
            Panel("KL to the teacher (nats a token)", "step", both, 0.0),
            Panel("Tokens of an answer", "step", {"training": series("answer_tokens")}, 0.0),
        ],
    )


def main(cold: bool) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = run(folder, warm_rows=0, prompts=1600, steps=200, learning_rate=6e-3) if cold else run(folder)
        if not cold:
            draw(Run.open(folder / STUDENT), IMAGE)
        json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main(sys.argv[1:] == ["cold"])
