"""Files that a recipe names: which keys name one, where it is looked up, and a text in the place of its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.schema_reads import models_in
from whet.errors import RecipeError
from whet.recipe.file_key import FileKey
from whet.recipe.files import file_key, files_of
from whet.recipe.load import dump_recipe, load_recipe
from whet.recipe.schema import Bake, Distil, Recipe
from whet.store.identity import COUNTED


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "r.yaml"
    path.write_text(text)
    return path


def prompt_of(recipe: Recipe) -> str:
    assert isinstance(recipe.method, Bake)
    return recipe.method.prompt


def test_a_prompt_is_the_text_itself_or_that_of_a_file_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "a" / "texts").mkdir(parents=True)
    (tmp_path / "a" / "texts" / "desk.md").write_text("\ufeffBe kind.\nBe brief.\n", "utf-8")
    for prompt, wanted in [
        ("Be kind.", "Be kind."),
        ("Read notes.md first.", "Read notes.md first."),
        ("texts/desk.md", "Be kind.\nBe brief."),
    ]:
        path = write(tmp_path / "a", f"data: x.jsonl\nmethod: {{kind: bake, prompt: '{prompt}'}}\n")
        assert prompt_of(load_recipe(path)) == wanted
    again = write(tmp_path / "b", dump_recipe(load_recipe(path)))
    assert prompt_of(load_recipe(again)) == "Be kind.\nBe brief.", "a resolved recipe holds the text"


@pytest.mark.parametrize(
    ("name", "fault"),
    [("../secret.txt", "leads out"), ("none.txt", "cannot be read"), ("empty.txt", "is empty"), ("raw.txt", "UTF-8")],
)
def test_a_file_that_cannot_be_the_prompt_is_refused(tmp_path: Path, name: str, fault: str) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    path = write(tmp_path / "in", f"data: x.jsonl\nmethod: {{kind: bake, prompt: {name}}}\n")
    (path.parent / "empty.txt").write_text(" \n")
    (path.parent / "raw.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match=fault):
        load_recipe(path)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    path = write(tmp_path / "in", "data: x.jsonl\nmethod: {kind: bake, prompt: link.txt}\n")
    (path.parent / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(RecipeError, match="leads out"):
        load_recipe(path)


def test_a_prompt_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.txt").write_text("Be brief.")
    recipe = load_recipe({"data": "x.jsonl"}, ["method.kind=bake", "method.prompt=p.txt"])
    assert prompt_of(recipe) == "Be brief."


def test_a_teachers_folder_is_looked_for_beside_the_recipe(tmp_path: Path) -> None:
    for name in ("big", "nano", "my-run"):
        (tmp_path / name).mkdir()
    for name in ("big", "nano"):
        (tmp_path / name / "config.json").write_text("{}")
    path = write(tmp_path, "data: x.jsonl\nmethod: {kind: distil, teacher: big}\n")
    method = load_recipe(path).method
    assert isinstance(method, Distil) and method.teacher == str(tmp_path / "big")
    path = write(tmp_path, "data: x.jsonl\nmethod: {kind: distil, teacher: my-run}\n")
    method = load_recipe(path).method
    assert isinstance(method, Distil) and method.teacher == "my-run" and method.samples == 1
    path = write(tmp_path, "data: x.jsonl\nmethod: {kind: distil, teacher: nano}\n")
    method = load_recipe(path).method
    assert isinstance(method, Distil) and method.teacher == "nano", "the bundled one"


BAKE = {"data": "x.jsonl", "method": {"kind": "bake", "prompt": "p"}}
DISTIL = {"data": "x.jsonl", "method": {"kind": "distil", "teacher": "nano"}}


@pytest.mark.parametrize(
    ("recipe", "override", "fault"),
    [
        (BAKE, "adapter=full", "trains them away"),
        (BAKE, "system=Hello.", "without a system prompt"),
        (DISTIL, "batch_tokens=512", "counted in prompts"),
        (DISTIL, "evaluate.metric=nll", "not probabilities"),
    ],
)
def test_contradictions(recipe: dict[str, object], override: str, fault: str) -> None:
    load_recipe(recipe)
    with pytest.raises(RecipeError, match=fault):
        load_recipe(recipe, [override])


@pytest.mark.parametrize("method", ["bake", "distil", "{kind: bake, prompt: ''}", "{kind: distil, teacher: ''}"])
def test_what_is_missing_is_said(method: str) -> None:
    with pytest.raises(RecipeError, match="method"):
        load_recipe({"data": "x.jsonl"}, [f"method={method}"])


def keys_that_name_files(model: type[BaseModel], prefix: str = "") -> dict[str, FileKey]:
    """Of the whole schema, under dotted keys; `*` is an item of a list."""
    keys: dict[str, FileKey] = {}
    for name, field in model.model_fields.items():
        key = file_key(field)
        if key is not None:
            keys[prefix + name] = key
        for inner in models_in(field.annotation):
            keys |= keys_that_name_files(inner, f"{prefix}{name}{'.*' if 'list' in str(field.annotation) else ''}.")
    return keys


def test_every_file_whose_bytes_count_is_in_the_hash() -> None:
    """A key that is marked so and hashed by nobody would resume a run on other rows."""
    keys = keys_that_name_files(Recipe)
    assert {name for name, key in keys.items() if key.counts} == set(COUNTED)
    assert {"method.rewards.*.function", "evaluate.wins.*.schema_file", "method.teacher"} < set(keys)


def test_names_in_each_group_of_keys_are_looked_up_beside_the_recipe(tmp_path: Path) -> None:
    files = ("rows.jsonl", "suite.jsonl", "own.py", "schema.json", "doc.md", "model/config.json")
    for name in files:
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_text("{}")
    recipe = load_recipe(
        write(
            tmp_path / "a",
            "data: [rows.jsonl, elsewhere.jsonl]\nkeep: {replay: rows.jsonl}\nforgetting: {suites: [suite.jsonl]}\n"
            "retrieval: {documents: doc.md}\ncompare: {documents: doc.md}\nevaluate: {metric: 'own.py:f', wins: "
            "[{kind: json, schema_file: schema.json}, {kind: model, model: model}]}\n",
        )
    )
    places = {file.dotted: file.value for file in files_of(recipe)}
    beside = str(tmp_path / "a") + "/"
    assert places["data"] == [beside + "rows.jsonl", "elsewhere.jsonl"]
    assert places["keep.replay"] == beside + "rows.jsonl" and places["forgetting.suites"] == [beside + "suite.jsonl"]
    assert places["retrieval.documents"] == places["compare.documents"] == beside + "doc.md"
    assert places["evaluate.metric"] == beside + "own.py:f" and places["base"] == "nano"
    assert places["evaluate.wins.0.schema_file"] == beside + "schema.json"
    assert places["evaluate.wins.1.model"] == "model", "a reward's model is not looked up there: runs would be renamed"
