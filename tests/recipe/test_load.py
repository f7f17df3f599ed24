"""A recipe is read exactly, or refused with the key, the value, what is allowed and the fix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whet.errors import RecipeError
from whet.recipe.explain import all_keys, kinds
from whet.recipe.load import dump_recipe, load_recipe
from whet.recipe.other_tools import METHODS, OTHER_TOOLS, OTHERWISE
from whet.recipe.schema import Full, Lora, Pretrain, Recipe
from whet.recipe.yaml_text import Dumper, parse

METHOD_KINDS = kinds(Recipe.model_fields["method"].annotation)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, *overrides: str) -> Recipe:
    Path("recipe.yaml").write_text(text, "utf-8")
    return load_recipe("recipe.yaml", overrides)


def refused(text: str, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read(text, *overrides)
    assert caught.value.exit_code == 2
    assert "fix:" in str(caught.value)
    return str(caught.value)


def test_numbers_are_numbers_however_they_are_written() -> None:
    recipe = read("data: a\nlearning_rate: 1e-4\nbatch_tokens: 1e4\nepochs: 2\nsteps: 1_000\n")
    assert (recipe.learning_rate, recipe.batch_tokens, recipe.epochs, recipe.steps) == (1e-4, 10_000, 2.0, 1000)


def test_words_that_yaml_takes_for_something_else_stay_words() -> None:
    recipe = read("data: 2026-01-31\ncolumns: {label: on, prompt: no, completion: 12:30, text: yes}\n")
    assert recipe.data == "2026-01-31"
    assert (recipe.columns.label, recipe.columns.prompt, recipe.columns.completion) == ("on", "no", "12:30")


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers(-(2**52), 2**52) | st.booleans() | st.none()))
def test_whatever_is_dumped_is_read_back(values: dict[str, object]) -> None:
    try:
        text = yaml.dump(values, Dumper=Dumper, allow_unicode=True)
        yaml.safe_load(text)
    except yaml.YAMLError:
        return  # characters that YAML itself can not carry
    assert parse(text, "x")[0] == values


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(data="a.jsonl"),
        Recipe(data=["a", "b"], adapter=Full(), method=Pretrain(context=64), learning_rate=1e-5),
        Recipe(data="a", adapter=Lora(rank=8, alpha=1.5, targets=["q_proj"]), system="no", seed=7, epochs=0.5),
    ],
)
def test_a_recipe_survives_being_written_and_read(recipe: Recipe) -> None:
    assert read(dump_recipe(recipe)) == recipe


def test_none_is_no_quantisation() -> None:
    assert read("data: a\nquantise: none").quantise is None and read("data: a").quantise is None
    assert read("data: a\nquantise: nf4").quantise == "nf4"


@pytest.mark.parametrize("other", ["adapter: full", "method: {kind: pretrain, from_scratch: true}"])
def test_a_quantised_base_is_only_for_an_adapter_over_what_was_learned(other: str) -> None:
    assert refused(f"data: a\n{other}\nquantise: nf4").startswith("recipe.yaml:3: ")
    assert read(f"data: a\n{other}\nquantise: none").quantise is None


def test_an_unknown_key_is_refused_with_line_and_nearest_name() -> None:
    assert refused("data: a\nlearnin_rate: 1\n").startswith(
        "recipe.yaml:2: unknown key 'learnin_rate'; did you mean 'learning_rate'?"
    )


def test_the_nearest_name_comes_from_the_right_group() -> None:
    message = refused("data: a\nadapter:\n  rnak: 8\n")
    assert message.startswith("recipe.yaml:3: unknown key 'adapter.rnak'; did you mean 'rank'?")
    assert "did you mean 'rank'" not in refused("data: a\nsplit: {rnak: 8}\n")


def test_an_unknown_key_without_a_value_is_refused_too() -> None:
    assert "unknown key 'learnin_rate'" in refused("data: a\nlearnin_rate:\n")


def test_a_key_of_another_kind_says_which_kind() -> None:
    assert "it belongs to adapter.kind: lora" in refused("data: a\nadapter: {kind: full, rank: 8}")
    assert "it belongs to method.kind: pretrain" in refused("data: a\nmethod: {kind: sft, context: 64}")


def test_a_key_in_the_wrong_place_says_where_it_belongs() -> None:
    assert "it belongs here: adapter.rank" in refused("data: a\nrank: 8")


@pytest.mark.parametrize("key", OTHER_TOOLS)
def test_a_key_of_another_tool_says_its_name_here(key: str) -> None:
    assert f"here it is called {OTHER_TOOLS[key]}" in refused(f"data: a\n{key}: 8")


@pytest.mark.parametrize("key", OTHERWISE)
def test_what_has_no_key_here_says_what_to_do_instead(key: str) -> None:
    assert key not in {name for name, _ in all_keys()} and OTHERWISE[key] in refused(f"data: a\n{key}: 8")


@pytest.mark.parametrize("word", METHODS)
def test_a_method_of_another_tool_says_what_it_is_here(word: str) -> None:
    assert METHODS[word] in refused(f"data: a\nmethod: {word}")


BEYOND = [
    (name, value)
    for name, field in all_keys()
    for kind, value in (("int", 10**23), ("float", 1e300))
    if re.search(rf"\b{kind}\b", str(field.annotation)) and not name.startswith("compare.remote")
]


@pytest.mark.parametrize(("key", "value"), BEYOND)
def test_a_number_beyond_all_measure_is_refused(key: str, value: float) -> None:
    *groups, last = key.split(".")
    values: Any = {last: value}
    if groups == ["method"]:
        values["kind"] = next(kind for kind, model in METHOD_KINDS.items() if last in model.model_fields)
    for group in reversed(groups):
        values = {group: values}
    with pytest.raises(RecipeError) as caught:
        load_recipe({"data": "a", **values})
    assert caught.value.fix and last in caught.value.what, "not for something else"


def test_names_for_keys_of_other_tools_exist_and_are_not_keys_themselves() -> None:
    known = {name for name, _ in all_keys()}
    assert set(OTHER_TOOLS.values()) <= known
    assert not set(OTHER_TOOLS) & known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: 5", "recipe.yaml:1: data must be text or a list (got 5)"),
        ("data: [a, 5]", "data[1] must be text (got 5)"),
        ("data: a\nsteps: true", "steps must be a whole number (got True)"),
        ("data: a\nsteps: 2.5", "steps must be a whole number (got 2.5)"),
        ("data: a\nsteps: '3'", "steps must be a whole number (got '3')"),
        ("data: a\nepochs: many", "epochs must be a number (got 'many')"),
        ("data: a\nlearning_rate: 0", "learning_rate must be above 0 (got 0)"),
        ("data: a\nlearning_rate: .inf", "learning_rate must be a finite number (got inf)"),
        ("data: a\nlearning_rate: .nan", "learning_rate must be"),
        ("data: a\nseed: -1", "seed must be at least 0 (got -1)"),
        ("data: a\nadapter: {dropout: 1.5}", "adapter.dropout must be below 1 (got 1.5)"),
        ("data: a\nschedule: {floor: 2}", "schedule.floor must be at most 1 (got 2)"),
        ("data: a\ncompile: maybe", "compile must be true or false (got 'maybe')"),
        ("data: a\nmethod: dop", "method must be of kind auto, pretrain, sft, dpo, kto, reward"),
        ("data: a\nmethod: [sft]", "method must be a group of keys (got ['sft'])"),
        ("data: a\ncolumns: 7", "columns must be a group of keys (got 7)"),
        ("data: a\ntoo_long: dorp", "did you mean 'drop'?"),
        ("data: a\nadapter: {targets: 7}", "adapter.targets must be one of all-linear or a list (got 7)"),
        ("epochs: 3", "the key 'data' is missing"),
        ("data: a\nsteps: x\nseed: y", "steps must be a whole number; 1 more to mend: seed"),
    ],
)
def test_a_wrong_value_names_key_value_and_what_is_allowed(text: str, expected: str) -> None:
    assert expected in refused(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "this file holds nothing"),
        ("- 1\n- 2", "this file holds a list"),
        ("just words", "this file holds a text"),
        ("data: a\ndata: b", "recipe.yaml:2: the key 'data' occurs twice, first at recipe.yaml:1"),
        ("data: a\nadapter:\n  rank: 1\n  rank: 2", "recipe.yaml:4: the key 'rank' occurs twice"),
        ("data: [a", "recipe.yaml:1:9: this is not sound YAML"),
        ("data: a\n\tsteps: 3", "not sound YAML"),
        ("data: &x a\ntest: *x", "anchors, aliases and tags"),
        ("data: !!python/object/apply:os.system ['true']", "anchors, aliases and tags"),
        ("? [a]\n: b", "a key must be a word"),
        ("{}", "the key 'data' is missing"),
        ("[" * 5000 + "]" * 5000, "this is not a recipe"),
        ("data: \x00", "not a text file in YAML"),
    ],
)
def test_what_is_not_a_recipe_is_refused(text: str, expected: str) -> None:
    assert expected in refused(text)


def test_bytes_that_are_not_text_are_refused() -> None:
    Path("recipe.yaml").write_bytes(b"data: \xff\xfe")
    with pytest.raises(RecipeError, match=r"not UTF-8 text \(byte 6\)"):
        load_recipe("recipe.yaml")


def test_a_folder_and_a_huge_file_are_not_recipes() -> None:
    Path("folder.yaml").mkdir()
    with pytest.raises(RecipeError, match="cannot read: is a directory"):
        load_recipe("folder.yaml")
    Path("huge.yaml").write_text("#" * (2 << 20))
    with pytest.raises(RecipeError, match="too large"):
        load_recipe("huge.yaml")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("recipee.yaml", "did you mean 'recipe.yaml'"),
        ("tickts.jsonl", "did you mean 'tickets.jsonl'"),
        ("no/such.jsonl", "the folder no does not exist"),
        ("picture.png", "neither a recipe"),
        ("words", "there is no such file"),
        ("pairs.jsonl", "stands for a file of yours in the examples; without one, whet demo makes its own data"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(name: str, expected: str) -> None:
    for file in ("recipe.yaml", "tickets.jsonl", "picture.png"):
        Path(file).write_text("x")
    with pytest.raises(RecipeError, match=expected):
        load_recipe(name)


def test_a_data_file_a_folder_and_a_hub_name_make_a_recipe() -> None:
    Path("tickets.jsonl").write_text("{}")
    Path("many").mkdir()
    for name in ("tickets.jsonl", "many", "org/set"):
        assert load_recipe(name) == Recipe(data=name)


def test_overrides_win_and_reach_into_groups() -> None:
    recipe = read("data: a\nadapter: {rank: 4, alpha: 8}\n", "adapter.rank=8", "learning_rate=1e-3", "schedule=linear")
    assert isinstance(recipe.adapter, Lora)
    assert (recipe.adapter.rank, recipe.adapter.alpha, recipe.learning_rate) == (8, 8.0, 1e-3)
    assert recipe.schedule.kind == "linear"
    assert read("data: a\nadapter: {rank: 4}\n", "adapter=full").adapter == Full()
    assert read("data: a\nmethod: sft\n", "method=pretrain", "method.context=64").method == Pretrain(context=64)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("adapter.rnak=8", "--set adapter.rnak: unknown key 'adapter.rnak'; did you mean 'rank'?"),
        ("steps=soon", "--set steps: steps must be a whole number (got 'soon')"),
        ("steps", "an override is key=value (got 'steps')"),
        ("=3", "an override is key=value"),
        ("seed.x=1", "must be"),
        ("data.x=1", "'data' has no keys under it"),
        ("steps=[1", "--set steps:1:3: this is not sound YAML"),
    ],
)
def test_a_wrong_override_is_refused_and_says_that_it_came_from_the_command_line(override: str, expected: str) -> None:
    assert expected in refused("data: a", override)


def test_paths_are_looked_up_beside_the_recipe() -> None:
    Path("deep").mkdir()
    Path("deep/rows.jsonl").write_text("{}")
    Path("other.jsonl").write_text("{}")
    Path("deep/recipe.yml").write_text("data: [rows.jsonl, other.jsonl]\ntest: rows.jsonl\n")
    recipe = load_recipe("deep/recipe.yml")
    assert recipe.data == ["deep/rows.jsonl", "other.jsonl"]
    assert recipe.test == "deep/rows.jsonl"
    Path("deep/base").mkdir()
    Path("deep/base.gguf").write_bytes(b"GGUF")
    for name in ("base", "base.gguf"):
        Path("deep/recipe.yml").write_text(f"data: rows.jsonl\nbase: {name}\n")
        assert load_recipe("deep/recipe.yml").base == f"deep/{name}"


def test_a_dictionary_and_a_recipe_are_taken_too() -> None:
    recipe = load_recipe({"data": Path("a"), "adapter": "full"}, ["steps=5"])
    assert recipe == Recipe(data="a", adapter=Full(), steps=5)
    assert load_recipe(recipe) == recipe


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ({"kind": "dpo", "gamma": 0.5}, "the loss sigmoid has no gamma"),
        ({"kind": "dpo", "loss": "ipo", "label_smoothing": 0.1}, "the loss ipo has no label_smoothing"),
    ],
)
def test_a_key_that_the_loss_does_not_look_at_is_refused(method: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words) as raised:
        load_recipe({"data": "a", "method": method})
    assert "leave it out" in raised.value.fix


def test_margins_are_for_reward_models() -> None:
    with pytest.raises(RecipeError, match="only a reward model learns from margins"):
        load_recipe({"data": "a", "method": "dpo", "columns": {"margin": "m"}})
    assert load_recipe({"data": "a", "method": "reward", "columns": {"margin": "m"}}).columns.margin == "m"
