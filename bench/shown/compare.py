"""Three tasks and what `whet compare` advises for each, with the bundled base.

    python -m bench.shown.compare [desk | banking77 | genes]    prints the numbers; all three unless one is named

desk       the demo's messages to strict JSON                       fine-tune
banking77  77 intents (banking77/train.csv in WHET_DATA)            fine-tune
genes      facts that stand in documents (medquad in WHET_DATA)     retrieval
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.shown import gene_facts
from whet.api import compare
from whet.demo_data.support_desk import generate

BANKING = Path("banking77") / "train.csv"
INSTRUCTION = "Answer with one JSON object with the keys intent, product, order_number and urgency."
KEPT = ("score", "low", "high", "prompt_tokens", "answer_tokens", "seconds_per_answer", "reduced")


def desk(folder: Path, data: Path, rows: int = 1500, **settings: Any) -> dict[str, Any]:
    """Messages to a support desk, to be turned into JSON."""
    path = folder / "desk.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in generate(rows, 0)), "utf-8")
    chosen = {"compare.system": json.dumps(INSTRUCTION)} | settings
    return compare(str(path), run_root=folder / "runs", name="desk", **chosen)


def banking77(folder: Path, data: Path, **settings: Any) -> dict[str, Any]:
    """Messages to a bank, each with one of 77 intents; one pass over the rows, which is enough to tell."""
    chosen = {"epochs": 1, "split.max_test": 300, "split.max_validation": 200, "evaluate.forgetting": False}
    return compare(str(data / BANKING), run_root=folder / "runs", name="banking77", **chosen | settings)


def genes(folder: Path, data: Path, rows: int | None = None, **settings: Any) -> dict[str, Any]:
    """Which gene a disease has: no training row knows the answer to a test row."""
    questions, documents = gene_facts.write_task(folder, data / gene_facts.MEDQUAD, rows)
    chosen = {
        "compare.documents": str(documents),
        "compare.passages": 1,
        "split.test": 0.4,
        "split.validation": 0.1,
        "evaluate.metric": "exact-match",
    }
    return compare(str(questions), run_root=folder / "runs", name="genes", **chosen | settings)


TASKS: dict[str, Callable[..., dict[str, Any]]] = {"desk": desk, "banking77": banking77, "genes": genes}


def numbers(result: dict[str, Any]) -> dict[str, Any]:
    """What the page states of a comparison."""
    arms = {arm["name"]: {key: arm[key] for key in KEPT} for arm in result["arms"]}
    facts = {key: result[key] for key in ("metric", "verdict", "standing", "retriever", "honest")}
    return {"arms": arms, "rows": result["arms"][0]["rows"], **facts}


def run(folder: Path, data: Path, *names: str) -> dict[str, Any]:
    """The numbers of each task, by its name."""
    return {name: numbers(TASKS[name](folder, data)) for name in names or TASKS}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(run(Path(temporary), Path(os.environ["WHET_DATA"]), *sys.argv[1:]), indent=1))
