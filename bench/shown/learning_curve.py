"""The learning curve shown on the demo task: fields of a customer's message into JSON.

    python -m bench.shown.learning_curve    prints the numbers and writes docs/images/learning-curve.svg

The curve of `rows` rows forecasts the score of twice as many training rows, or says that it cannot; a tune of so many
rows, on the same test rows, says whether that was right.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import whet
from whet.demo_data.support_desk import generate

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "learning-curve.svg"


def run(folder: Path, rows: int = 240, tests: int = 120, **settings: Any) -> dict[str, Any]:
    """The curve over `rows` rows, and what twice as many rows then reached on the same `tests` rows."""
    made = generate(2 * rows + tests, seed=11)
    test = written(folder / "test.jsonl", made[:tests])
    chosen = {"dtype": "float32", "test": str(test), "evaluate.forgetting": False, "schedule.kind": "cosine"} | settings
    half, whole = (
        written(folder / f"{name}.jsonl", made[tests : tests + count])
        for name, count in (("rows", rows), ("twice", 2 * rows))
    )
    facts = whet.curve(str(half), run_root=folder / "runs", name="curve", **chosen)
    twice = whet.tune(str(whole), run_root=folder / "runs", name="twice", **chosen)
    return {
        "points": [[point[key] for key in ("rows", "score", "low", "high")] for point in facts["points"]],
        "next": facts["next"],
        "gain": facts["gain"],
        "fit": facts["fit"],
        "word": facts["word"],
        "sentence": facts["sentence"],
        "picture": facts["picture"],
        "twice": {"rows": twice["ledger"]["trained"], **{key: twice["tuned"][key] for key in ("score", "low", "high")}},
    }


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        found = run(Path(made))
        shutil.copy(found.pop("picture"), IMAGE)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
