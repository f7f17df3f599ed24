"""RAFT shown to work: looking facts up in documents, before and after learning to.

    python -m bench.shown.raft             prints the numbers
    python -m bench.shown.raft short       the same with documents that the base can read without learning to
    python -m bench.shown.raft medquad     the retriever alone, on the medical questions of WHET_DATA/medquad
    python -m bench.shown.raft medquad ENCODER    the same by words, by the encoder's vectors, and by both

The documents are made-up passages about people, things and events; each question asks for one fact. All questions about
a document are on one side of the split, so nothing that was learned by heart helps on the test rows. One question in
eight is about something that no document mentions; its answer is "not stated".
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any, get_args

import whet
from nano import tasks_passage as task
from whet.data.retrieval.documents import Passage, read_documents
from whet.data.retrieval.encoders.opening import open_encoder
from whet.data.retrieval.retrievers import retriever_of
from whet.evaluation.retrieval.retriever_quality import DEPTHS, measure_retriever
from whet.recipe.sections.retrieval import By
from whet.stats.paired import paired_difference
from whet.store.run import Run

ABSENT = 8
"""One question in so many has its document left out."""
REFUSAL = "not stated"
BARE = 4
"""A row without passages is shorter by this much, so that both tunes see about as many rows in a step."""
QUICK = {"learning_rate": 1e-3, "batch_tokens": 2048, "steps": 120, "evaluate.patience": 5}
"""The rule's rate of 6e-3 is too high for rows of four learned tokens: the validation loss rose from the start."""


def run(
    folder: Path, documents: int = 100, level: int = 2, oracle_share: float = 0.9, **settings: Any
) -> dict[str, Any]:
    """Scores of base and tuned model with and without passages, on the same test rows."""
    write_task(folder, documents, level)
    keys = f"documents: {folder / 'documents.jsonl'}, oracle_share: {oracle_share}, refusal: {REFUSAL}"
    return compared(folder, f"{{{keys}}}", **settings)


def compared(folder: Path, retrieval: str, **settings: Any) -> dict[str, Any]:
    """Two tunes on the questions of `folder`, without passages and with them."""
    rows = str(folder / "questions.jsonl")
    chosen = {"dtype": "float32", "split.test": 0.15, "evaluate.forgetting": False, **QUICK} | settings
    columns = "prompt: question, completion: answer, group: subject"
    bare = chosen | {"columns": f"{{{columns}}}", "batch_tokens": chosen["batch_tokens"] // BARE}
    with_passages = chosen | {"columns": f"{{{columns}, passage: document}}", "retrieval": retrieval}
    without = whet.tune(rows, run_root=folder / "runs", name="without", **bare)
    raft = whet.tune(rows, run_root=folder / "runs", name="raft", **with_passages)
    return numbers(folder, without, raft)


def run_medquad(folder: Path, data: Path, rows: int = 500, words: int = 200, encoder: str = "") -> dict[str, Any]:
    """The retriever alone, on questions about diseases; the documents are all answers that institutes gave. With an
    encoder each way to find passages."""
    folder.mkdir(parents=True, exist_ok=True)
    values = [json.loads(line) for line in data.read_text("utf-8").splitlines()]
    file = folder / "answers.jsonl"
    file.write_text(
        "".join(json.dumps({"id": f"m{n}", "text": v["answer"]}) + "\n" for n, v in enumerate(values)), "utf-8"
    )
    passages = read_documents(file, words)
    chosen = Random(0).sample(range(len(values)), min(rows, len(values)))
    own, by = named_passages([f"m{n}" for n in chosen], passages)

    def measured(way: By) -> dict[str, Any]:
        retriever = retriever_of(passages, way, opened)
        hits = retriever.search([values[n]["question"] for n in chosen], max(DEPTHS))
        return {"passages": len(passages), **asdict(measure_retriever(hits, own, by))}

    opened = open_encoder(encoder) if encoder else None
    return {way: measured(way) for way in get_args(By)} if encoder else measured("bm25")


def named_passages(names: Sequence[str | None], passages: Sequence[Passage]) -> tuple[list[set[str]], str]:
    """Ids of the passages that rows name: by id, by document (any passage of it), or by source."""
    known: dict[str, set[str]] = {}
    for passage in passages:
        for name in {passage.id, passage.document, passage.source}:
            known.setdefault(name, set()).add(passage.id)
    return [known.get(name or "", set()) for name in names], "the passage that the row names"


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


def write_task(folder: Path, documents: int, level: int = 2) -> None:
    """documents.jsonl and questions.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, values in zip(("documents.jsonl", "questions.jsonl"), made_task(documents, level=level), strict=True):
        (folder / file).write_text("".join(json.dumps(value) + "\n" for value in values), "utf-8")


def made_task(documents: int, seed: int = 0, level: int = 2) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(documents, questions): every fact of every document is asked once, and one document in eight is left out.
    Documents of level 1 have some 25 words, those of level 2 some 60."""
    rng = Random(seed)
    texts, questions, known = [], [], set()
    while len(texts) < documents:
        text, facts = task.passage(rng, level)
        subjects = {subject for _, subject, _, _ in facts}
        if subjects & known:
            continue
        known |= subjects
        name = f"d{len(texts)}"
        texts.append({"id": name, "text": text})
        asked = {task.question_for(rng, fact): fact for fact in facts}
        for question, (_, _, _, value) in asked.items():
            absent = len(texts) % ABSENT == 0
            answer = REFUSAL if absent else value
            questions.append(
                {"question": question, "answer": answer, "subject": name, "document": None if absent else name}
            )
    return [text for number, text in enumerate(texts, start=1) if number % ABSENT], questions


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        if sys.argv[1:2] == ["medquad"]:
            data = Path(os.environ["WHET_DATA"]) / "medquad" / "medquad.jsonl"
            found = run_medquad(Path(made), data, encoder="".join(sys.argv[2:3]))
        elif sys.argv[1:] == ["short"]:
            found = run(Path(made), 130, level=1, oracle_share=0.8, steps=80, **{"split.test": 0.25})
        else:
            found = run(Path(made))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
