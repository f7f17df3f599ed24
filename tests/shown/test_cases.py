"""Six tasks of which it is known what helps: tune and compare say it, and never contradict each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.shown.cases import advised

pytestmark = pytest.mark.slow
TUNED = {"tuned", "tuned-retrieval"}


def never_contradict(tuned: dict[str, Any], compared: dict[str, Any]) -> None:
    yes = tuned["ship"]["answer"] == "yes"
    assert yes or "ine-tune" not in compared["verdict"]["headline"], (tuned["ship"], compared["verdict"])
    assert yes or "fine-tune" not in compared["verdict"]["sentence"]


@pytest.mark.parametrize("name", ["content", "form"])
def test_what_must_be_learned_is_tuned_for(name: str, tmp_path: Path) -> None:
    tuned, compared = advised(tmp_path, name)
    assert tuned["verdict"]["word"] == "better" and tuned["ship"]["answer"] == "yes", tuned["verdict"]
    assert all(one["better"] for one in tuned["verdict"]["against"]) and len(tuned["verdict"]["against"]) == 4
    assert compared["verdict"]["arm"] == "tuned" and compared["verdict"]["headline"] == "Fine-tune"


@pytest.mark.parametrize(("name", "opponent", "arms"), [
    ("prompt", "prompted", {"prompted"}),
    ("examples", "examples", {"few-shot-nearest"}),
])  # fmt: skip
def test_what_the_base_can_do_with_a_word_more_is_not_tuned_for(
    name: str, opponent: str, arms: set[str], tmp_path: Path
) -> None:
    tuned, compared = advised(tmp_path, name)
    assert tuned["verdict"]["word"] != "better" and tuned["verdict"]["strongest"] == opponent, tuned["verdict"]
    assert tuned["ship"]["answer"] != "yes" and compared["verdict"]["arm"] in arms, (tuned["ship"], compared["verdict"])
    never_contradict(tuned, compared)


def test_where_nothing_helps_neither_says_that_tuning_does(tmp_path: Path) -> None:
    tuned, compared = advised(tmp_path, "nothing")
    assert tuned["verdict"]["word"] != "better" and tuned["verdict"]["strongest"] == "constant", tuned["verdict"]
    assert tuned["ship"]["answer"] != "yes" and compared["verdict"]["arm"] not in TUNED
    never_contradict(tuned, compared)


def test_facts_in_documents_are_looked_up_and_tuning_is_not_advised(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHET_DATA", str(data_dir))
    tuned, compared = advised(tmp_path, "retrieval")
    assert tuned["verdict"]["word"] != "better" and tuned["ship"]["answer"] != "yes", tuned["verdict"]
    assert compared["verdict"]["arm"] == "retrieval", compared["verdict"]
    never_contradict(tuned, compared)
