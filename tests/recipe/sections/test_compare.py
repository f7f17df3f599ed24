"""The compare section: what is refused, what is found beside the recipe, and that it names no other run."""

from __future__ import annotations

from pathlib import Path

import pytest

from whet.errors import RecipeError
from whet.evaluation.comparison.arms import arms_of
from whet.recipe.load import dump_recipe, load_recipe
from whet.recipe.sections.compare import Compare
from whet.store.identity import identity

REMOTE = {"model": "big", "url": "http://localhost:1/v1"}


def recipe(tmp_path: Path, **section: object):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n', "utf-8")
    return load_recipe({"data": str(tmp_path / "rows.jsonl"), "compare": section})


def test_auto_takes_the_arms_that_have_what_they_need(tmp_path: Path) -> None:
    names = ["constant", "zero-shot", "prompted", "few-shot", "few-shot-nearest", "tuned"]
    assert [arm.name for arm in arms_of(recipe(tmp_path).compare)] == names
    more = recipe(tmp_path, system="Be short.", documents="notes", remote=[REMOTE, {**REMOTE, "prompt": "system"}])
    assert [arm.name for arm in arms_of(more.compare)] == [
        "constant", "zero-shot", "prompted", "system", "few-shot", "few-shot-nearest", "retrieval", "tuned",
        "tuned-retrieval", "big (1)", "big (2)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"arms": ["retrieval"]}, "compare.documents"),
        ({"arms": ["system"]}, "compare.system"),
        ({"remote": [{**REMOTE, "prompt": "retrieval"}]}, "compare.documents"),
    ],
)
def test_an_arm_without_what_it_needs_is_refused(tmp_path: Path, section: dict, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        arms_of(recipe(tmp_path, **section).compare)


@pytest.mark.parametrize(
    "section",
    [
        {"template": "{passages} alone"},
        {"arms": ["few_shot"]},
        {"arms": []},
        {"shots": 0},
        {"shots": []},
        {"margin": 0},
        {"remote": [{"model": "big", "url": "ftp://x"}]},
        {"remote": [{**REMOTE, "price_in": -1.0}]},
        {"prices": 1},
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, section: dict) -> None:
    with pytest.raises(RecipeError):
        recipe(tmp_path, **section)


def test_one_number_of_examples_or_several(tmp_path: Path) -> None:
    assert recipe(tmp_path, shots=3).compare.shots == [3] and recipe(tmp_path, shots=[2, 8]).compare.shots == [2, 8]


def test_the_section_does_not_change_which_run_is_meant(tmp_path: Path) -> None:
    assert identity(recipe(tmp_path)) == identity(recipe(tmp_path, shots=9, margin=0.1))


def test_files_are_found_beside_the_recipe(tmp_path: Path) -> None:
    recipe(tmp_path)
    (tmp_path / "say.txt").write_text("Be short.\n", "utf-8")
    (tmp_path / "notes").mkdir()
    text = "data: rows.jsonl\ncompare: {system: say.txt, documents: notes}\n"
    (tmp_path / "recipe.yaml").write_text(text, "utf-8")
    found = load_recipe(tmp_path / "recipe.yaml")
    assert found.compare.system == "Be short." and found.compare.documents == str(tmp_path / "notes")
    (tmp_path / "again.yaml").write_text(dump_recipe(found), "utf-8")
    assert load_recipe(tmp_path / "again.yaml").compare == found.compare


def test_an_instruction_file_outside_the_recipes_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x", "utf-8")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "recipe.yaml").write_text("data: a.jsonl\ncompare: {system: ../secret.txt}\n", "utf-8")
    with pytest.raises(RecipeError, match="leads out of the recipe's folder"):
        load_recipe(tmp_path / "inner" / "recipe.yaml")


def test_defaults_are_those_of_the_page() -> None:
    assert Compare().model_dump() == {
        "arms": "auto", "system": None, "shots": [3], "documents": None, "words": 200, "encoder": None, "passages": 3,
        "template": "{passages}\n\n{question}", "remote": [], "margin": 0.02, "price_per_hour": None,
    }  # fmt: skip
