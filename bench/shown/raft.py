"""RAFT shown to work: looking facts up in documents, before and after learning to.

    python -m bench.shown.raft             prints the numbers
    python -m bench.shown.raft medquad     the same on medical questions of WHET_DATA/medquad

The documents are made-up passages about people, things and events; each question asks for one fact. All questions about
a document are on one side of the split, so nothing that was learned by heart helps on the test rows. One question in
eight is about something that no document mentions; its answer is "not stated".
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import whet
from nano import tasks_passage as task
from whet.evaluate.statistics import paired_difference
from whet.store.run import Run

ABSENT = 8
"""One question in so many has its document left out."""
REFUSAL = "not stated"


def run(folder: Path, documents: int = 200, **settings: Any) -> dict[str, Any]:
    """Scores of base and tuned model with and without passages, on the same test rows."""
    write_task(folder, documents)
    rows = str(folder / "questions.jsonl")
    chosen = {"dtype": "float32", "split.test": 0.25, "evaluate.forgetting": False} | settings
    chosen |= {"columns": "{prompt: question, completion: answer, group: subject, passage: document}"}
    passages = {"retrieval": f"{{documents: {folder / 'documents.jsonl'}, refusal: {REFUSAL}}}"}
    without = whet.tune(rows, run_root=folder / "runs", name="without", **chosen)
    raft = whet.tune(rows, run_root=folder / "runs", name="raft", **chosen, **passages)
    return numbers(folder, without, raft)


def numbers(folder: Path, without: dict[str, Any], raft: dict[str, Any]) -> dict[str, Any]:
    """What the page states."""
    scores = {name: read_scores(folder, name) for name in ("without", "raft")}
    assert [line["row"] for line in scores["without"]] == [line["row"] for line in scores["raft"]], "the same test rows"
    arms = {
        "base": (without["base"], scores["without"], "base_score"),
        "base + retrieval": (raft["base"], scores["raft"], "base_score"),
        "tuned without passages": (without["tuned"], scores["without"], "tuned_score"),
        "RAFT + retrieval": (raft["tuned"], scores["raft"], "tuned_score"),
    }
    best = [line["tuned_score"] for line in scores["raft"]]
    return {
        "metric": raft["metric"]["name"],
        "rows": raft["tuned"]["rows"],
        "arms": {name: [facts["score"], facts["low"], facts["high"]] for name, (facts, _, _) in arms.items()},
        "raft_minus": {
            name: [difference.estimate, difference.low, difference.high, difference.p]
            for name, (_, lines, side) in list(arms.items())[:3]
            for difference in [paired_difference([line[side] for line in lines], best)]
        },
        "retrieval": raft["retrieval"],
        "seconds": [without["seconds"], raft["seconds"]],
    }


def read_scores(folder: Path, name: str) -> list[dict[str, Any]]:
    lines = (Run.open(folder / "runs" / name).folder / "answers.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write_task(folder: Path, documents: int, seed: int = 0) -> None:
    """documents.jsonl and questions.jsonl: every fact of every document is asked once."""
    rng = Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    texts, questions, known = [], [], set()
    while len(texts) < documents:
        text, facts = task.passage(rng, 1)
        subjects = {subject for _, subject, _, _ in facts}
        if subjects & known:
            continue
        known |= subjects
        name = f"d{len(texts)}"
        texts.append({"id": name, "text": text})
        asked = {task.question_for(rng, fact): fact for fact in facts}
        for question, (_, subject, _, value) in asked.items():
            absent = len(texts) % ABSENT == 0
            answer = REFUSAL if absent else value
            questions.append(
                {"question": question, "answer": answer, "subject": name, "document": None if absent else name}
            )
    kept = [text for number, text in enumerate(texts, start=1) if number % ABSENT]
    for file, values in (("documents.jsonl", kept), ("questions.jsonl", questions)):
        (folder / file).write_text("".join(json.dumps(value) + "\n" for value in values), "utf-8")


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(run(Path(made)), indent=1))


if __name__ == "__main__":
    main()
