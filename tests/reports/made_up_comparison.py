"""A comparison with answers that were never asked for, made with the real metric, statistics and advice.

To look at it:  python -m tests.reports.made_up_comparison FOLDER   and open FOLDER/report.html
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from whet.data.retrieval.documents import Passage
from whet.evaluation.comparison.arm_results import ArmAnswers, arm_results
from whet.evaluation.comparison.arms import Arm, arms_of
from whet.evaluation.comparison.comparison import side_by_side
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import asked_turns
from whet.evaluation.prompts import FittedPrompts
from whet.recipe.sections.compare import Compare, RemoteModel
from whet.reports.comparison import write_compare_report
from whet.types import Completion, Row

REMOTE = RemoteModel(model="big-model", url="http://localhost:1/v1", price_in=2.0, price_out=8.0)
SETTINGS = Compare(documents="handbook", system="Answer in one word.", remote=[REMOTE], price_per_hour=1.2)
SKILL = {"constant": 0.2, "zero-shot": 0.2, "prompted": 0.28, "system": 0.3, "few-shot": 0.6, "few-shot-nearest": 0.71,
         "retrieval": 0.35, "tuned": 0.93, "tuned-retrieval": 0.83, "big-model": 0.8}  # fmt: skip
TOKENS = {"few-shot": 520, "few-shot-nearest": 900, "retrieval": 700, "tuned-retrieval": 700}
WORDS = ["refund", "delivery", "defect", "question", "thanks"]


def rows_of(count: int, seed: int = 0) -> list[Row]:
    rng = random.Random(seed)
    return [
        Row(
            n,
            f"tickets.jsonl:{n + 1}",
            [
                {"role": "user", "content": f"Ticket {n}: what is <b>this</b> about?"},
                {"role": "assistant", "content": rng.choice(WORDS)},
            ],
        )
        for n in range(count)
    ]


def asked(arm: Arm, rows: list[Row], skill: float, tokens: int = 60) -> ArmAnswers:
    """Answers that are right with the probability `skill`."""
    rng = random.Random(arm.name)
    told = []
    for row in rows:
        right = rng.random() < skill
        text = row.reference if right else rng.choice([word for word in WORDS if word != row.reference])
        told.append(
            Completion(text, rng.random() < 0.98, prompt_tokens=tokens, answer_tokens=3, seconds=0.0004 * tokens)
        )
    noun = {"few-shot": "examples", "few-shot-nearest": "examples", "retrieval": "passages"}.get(arm.framing, "")
    offered, reduced = (4 if noun else 0), (7 if arm.name == "few-shot-nearest" else 0)
    parts = [[Passage("a#1", f"This is about {row.reference}.", "a")] if noun == "passages" else [] for row in rows]
    messages, ids = [row.prompt for row in rows], [[0] * tokens] * len(rows)
    prompts = FittedPrompts(noun, messages, ids, parts, offered, reduced, 0, offered - 0.1)
    return ArmAnswers(
        arm, prompts, told, [metric.score("accuracy", one.text, row) for one, row in zip(told, rows, strict=True)]
    )


def comparison(count: int = 300, settings: Compare = SETTINGS) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What compare.json and side_by_side.jsonl hold."""
    rows = rows_of(count)
    all_asked = [asked(arm, rows, SKILL[arm.name], TOKENS.get(arm.name, 60)) for arm in arms_of(settings)]
    facts = {
        "run": "tickets-1a2b3c4d",
        "model": "nano",
        "metric": {"name": "accuracy", "reason": "the rows have labels, 5 different ones"},
        **arm_results(all_asked, asked_turns(rows, 0), settings, "accuracy", 1024, 0),
        "ship": {"answer": "yes", "sentence": "Yes: it is better at its task."},
        "margin": settings.margin,
        "decoding": {"temperature": 0.0, "max_new_tokens": 12},
        "shots": {"chosen": 4, "part": "validation", "rows": 100, "by": "few-shot", "scores": {2: 0.55, 4: 0.6}},
        "retriever": {"passages": 812, "by": "passages in which the reference answer stands word for word",
                      "without": 11, "recall": {1: 0.4, 3: 0.62, 10: 0.8}, "mrr": 0.5},
        "honest": {"rows": {"trained": 2400, "validation": 300, "test": count}, "shared_rows": 0, "same_content": 0,
                   "checkpoint": {"part": "validation", "best_step": 120}, "file": "compare/rows.json"},
        "prompts": {one.arm.name: f"<|user|>{one.arm.label}<|end|>" for one in all_asked},
    }  # fmt: skip
    return facts, side_by_side(all_asked, asked_turns(rows, 0))


def write(folder: Path, count: int = 300, settings: Compare = SETTINGS) -> Path:
    facts, lines = comparison(count, settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.json").write_text(json.dumps(facts), "utf-8")
    (folder / "side_by_side.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return write_compare_report(folder)


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
