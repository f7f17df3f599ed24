"""RAFT on the bundled base: looking facts up beats knowing none, and learning to look them up beats both."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.shown import raft

ROOT = Path(__file__).parents[2]


def test_every_question_has_its_document_or_none() -> None:
    documents, questions = raft.made_task(40)
    texts = {document["id"]: document["text"] for document in documents}
    assert len(documents) == 35 and raft.made_task(40)[1] == questions
    for question in questions:
        if question["document"] is None:
            assert question["answer"] == raft.REFUSAL and question["subject"] not in texts
        else:
            assert question["answer"] in texts[question["document"]], question


def test_the_handbook_of_the_recipes_is_what_the_generator_makes() -> None:
    for file, values in zip(("handbook", "handbook-questions"), raft.made_task(40, seed=1), strict=True):
        lines = (ROOT / "recipes" / "data" / f"{file}.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line) for line in lines] == values


def test_the_medical_questions_find_their_answers() -> None:
    data = Path(os.environ.get("WHET_DATA", "")) / "medquad" / "medquad.jsonl"
    if not data.is_file():
        pytest.skip("WHET_DATA has no medquad")
    with TemporaryDirectory() as folder:
        found = raft.run_medquad(Path(folder), data, rows=100)
    assert found["rows"] == 100 and found["recall"][1]["mean"] > 0.3 and found["recall"][10]["mean"] > 0.75


def test_a_small_one_finds_its_passages(tmp_path: Path) -> None:
    found = raft.run(tmp_path, documents=16, steps=1, **{"evaluate.max_new_tokens": 6})
    assert found["retrieval"]["found"]["mean"] > 0.9
    assert found["arms"]["base + retrieval"][0] > found["arms"]["base"][0], "the bundled base can read"
    assert found["arms"]["tuned without passages"][0] < 0.3


@pytest.mark.slow
def test_raft_with_retrieval_beats_each_part_alone(tmp_path: Path) -> None:
    found = raft.run(tmp_path)
    for arm, (_, low, _, p) in found["raft_minus"].items():
        assert low > 0 and p < 0.05, (arm, found)
