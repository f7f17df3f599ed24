"""What compare advises is the right thing on tasks where the right thing is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.shown import compare, gene_facts


def test_no_disease_is_asked_twice_and_each_has_one_gene(data_dir: Path) -> None:
    found = gene_facts.genes(data_dir / gene_facts.MEDQUAD)
    assert len(found) > 150 and found["Achondroplasia"] == "FGFR3"


def test_facts_that_stand_in_documents_are_looked_up(tmp_path: Path, data_dir: Path) -> None:
    found = compare.genes(tmp_path, data_dir, **{"compare.arms": "[zero-shot, few-shot, retrieval]"})
    assert found["verdict"]["arm"] == "retrieval", found["verdict"]


@pytest.mark.slow
def test_facts_are_looked_up_and_not_learned(tmp_path: Path, data_dir: Path) -> None:
    found = compare.numbers(compare.genes(tmp_path, data_dir))
    arms = found["arms"]
    assert found["verdict"]["arm"] == "retrieval", found["verdict"]
    assert arms["retrieval"]["low"] > arms["tuned"]["high"] and arms["retrieval"]["low"] > arms["zero-shot"]["high"]


@pytest.mark.slow
def test_a_form_of_answers_is_learned(tmp_path: Path, data_dir: Path) -> None:
    found = compare.numbers(compare.desk(tmp_path, data_dir))
    assert found["verdict"]["arm"] == "tuned" and found["verdict"]["word"] == "better", found["verdict"]


@pytest.mark.slow
def test_many_classes_are_learned(tmp_path: Path, data_dir: Path) -> None:
    found = compare.numbers(compare.banking77(tmp_path, data_dir))
    assert found["verdict"]["arm"] == "tuned" and found["verdict"]["word"] == "better", found["verdict"]
