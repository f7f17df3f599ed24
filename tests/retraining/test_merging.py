"""Old rows and new ones as one file: what stays out of training, which of two answers wins, and what is held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.retraining.tickets import ticket, tickets, written
from whet.data.rows.row_format import RowFormat
from whet.errors import InputError, ProofError
from whet.monitoring.feedback_rows import NEAR_TEST
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.retraining.changes import KNOWN, OTHER_FORM, Known, NewRow, hash_of, rows_of_feedback, rows_of_file
from whet.retraining.merging import OVERRULED, Merged, merge, prove_same, write
from whet.retraining.row_forms import data_rows, refuse_unmergeable
from whet.retraining.starts import untold_rows
from whet.types import Row


def recipe_over(data: Path, **keys: Any) -> Recipe:
    return load_recipe({"data": str(data), "method": "sft", **keys})


def known_of(recipe: Recipe, tests: int = 12) -> Known:
    """As a run would: the last rows were test rows, all others were trained on."""
    rows, shape = data_rows(recipe, frozenset())
    form = "label" if shape.kind == "label" else "chat"
    learned = rows[:-tests]
    return Known(form, shape, learned, set(map(hash_of, learned)), rows[-tests:])


def merged_with(tmp_path: Path, new: list[dict[str, Any]], **keys: Any) -> Merged:
    recipe = recipe_over(written(tmp_path / "old.jsonl", tickets(60, seed=0)), **keys)
    known = known_of(recipe)
    known.bring(rows_of_file(written(tmp_path / "new.jsonl", new), recipe, known.shape), recipe)
    merged = merge(known, recipe, tmp_path / "made", "tickets")
    write(merged)
    return merged


def lines(path: str | list[str] | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(str(path)).read_text("utf-8").splitlines()]


def test_a_third_of_the_new_rows_is_held_out_and_every_new_row_says_where_it_is_from(tmp_path: Path) -> None:
    merged = merged_with(tmp_path, tickets(30, seed=1, kinds=("repair",)))
    assert (len(merged.learned), len(merged.new), len(merged.tests), len(merged.fresh)) == (48, 20, 12, 10)
    assert merged.too_small and merged.facts()["fresh_too_small"]
    made = [line for line in lines(merged.recipe.data) if "where" in line]
    assert len(made) == 20 and all(line["where"].startswith("new.jsonl:") for line in made)
    asked, held = ({line["text"] for line in lines(file)} for file in (merged.recipe.data, merged.recipe.test))
    assert not asked & held and {row.messages[0]["content"] for row in merged.tests} <= held


def test_the_same_rows_in_any_order_give_the_same_files(tmp_path: Path) -> None:
    new = tickets(30, seed=1, kinds=("repair",))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = merged_with(tmp_path / "a", new), merged_with(tmp_path / "b", new[::-1])
    assert one.fresh_hashes == other.fresh_hashes


def test_copies_of_test_rows_are_never_learned_however_they_are_answered(tmp_path: Path) -> None:
    held = tickets(60, seed=0)[-12:]
    near = [row | {"text": row["text"].upper() + "!"} for row in held]
    lied = [row | {"label": "repair"} for row in held]
    merged = merged_with(tmp_path, [*held, *near, *lied])
    assert merged.new == [] and merged.fresh == [] and merged.contradicted == []
    whys = [one["why"] for one in merged.left_out]
    assert whys.count(KNOWN) == 12 and whys.count(NEAR_TEST) == 24


def test_a_row_that_comes_twice_is_one(tmp_path: Path) -> None:
    new = tickets(9, seed=1, kinds=("repair",))
    merged = merged_with(tmp_path, [*new, *new, *tickets(60, seed=0)[:5]])
    assert len(merged.new) + len(merged.fresh) == 9
    assert [one["why"] for one in merged.left_out] == [KNOWN] * 14


def test_the_newer_answer_wins_and_both_are_shown(tmp_path: Path) -> None:
    old = tickets(60, seed=0)[3]
    merged = merged_with(tmp_path, [old | {"label": "repair"}])
    assert len(merged.learned) == 47 and old["text"] not in {row.prompt[0]["content"] for row in merged.learned}
    (shown,) = merged.contradicted
    assert (shown["old_answer"], shown["new_answer"]) == (old["label"], "repair")
    assert shown["old"] == "old.jsonl:4" and shown["new"] == "new.jsonl:1"


def test_of_two_new_rows_that_disagree_the_newest_wins(tmp_path: Path) -> None:
    row = ticket("repair", seed=5)
    early, late = row | {"at": "2026-01-01T00:00:00Z"}, row | {"at": "2026-02-01T00:00:00Z", "label": "login"}
    merged = merged_with(tmp_path, [late, early])
    assert [one.row.label for one in (*merged.new, *merged.fresh)] == ["login"]
    assert [one["why"] for one in merged.left_out] == [OVERRULED] and len(merged.contradicted) == 1


def test_a_prompt_that_old_rows_answer_in_many_ways_is_contradicted_by_nothing(tmp_path: Path) -> None:
    poems = [{"prompt": "Write a line.", "completion": text} for text in ("It rains.", "It snows.", "The sun is out.")]
    rest = [{"prompt": row["text"], "completion": row["label"]} for row in tickets(40, seed=0)]
    recipe = recipe_over(written(tmp_path / "old.jsonl", [*poems, *rest]))
    known = known_of(recipe, 6)
    new = written(tmp_path / "new.jsonl", [{"prompt": "Write a line.", "completion": "Fog."}])
    known.bring(rows_of_file(new, recipe, known.shape), recipe)
    merged = merge(known, recipe, tmp_path / "made", "lines")
    assert merged.contradicted == [] and len(merged.learned) == len(known.learned)


def test_the_newest_conversations_are_held_out_whole(tmp_path: Path) -> None:
    recipe = recipe_over(written(tmp_path / "old.jsonl", tickets(60, seed=0)))
    known = known_of(recipe)
    said = [
        {
            "messages": [
                {"role": "user", "content": row["text"]},
                {"role": "assistant", "content": row["label"]},
            ],
            "trace": f"t{n}",
            "at": f"2026-03-{1 + n // 2:02}T00:00:00Z",
        }
        for n, row in enumerate(tickets(18, seed=1, kinds=("repair",)))
    ]
    talks = {f"t{n}": f"talk {n // 2}" for n in range(18)}
    known.bring(rows_of_feedback(said, recipe, known.shape, talks), recipe)
    merged = merge(known, recipe, tmp_path / "made", "tickets")
    assert {one.came_from["trace"] for one in merged.fresh} == {f"t{n}" for n in range(12, 18)}
    assert not {one.row.group for one in merged.fresh} & {one.row.group for one in merged.new}


def test_no_row_that_the_live_version_learned_the_like_of_is_fresh(tmp_path: Path) -> None:
    alike = [row | {"text": row["text"] + " please"} for row in tickets(60, seed=0)[:20]]
    merged = merged_with(tmp_path, alike)
    assert merged.fresh == [] and len(merged.new) > 10


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "completion": "c"},
        {"instruction": "Sum up", "input": "long text here", "output": "short"},
        {"messages": [{"role": "system", "content": "Be brief."}, *[{"role": "user", "content": "x y"}]]
        + [{"role": "assistant", "content": "z", "weight": 1}]},
        {"conversations": [{"from": "human", "value": "hello you"}, {"from": "gpt", "value": "hello me"}]},
        {"system": "Answer.", "prompt": "What is it?", "completion": {"a": 1}},
    ],
)  # fmt: skip
def test_rows_of_every_form_read_back_to_the_same_rows(row: dict[str, Any], tmp_path: Path) -> None:
    recipe = recipe_over(written(tmp_path / "old.jsonl", [row]))
    rows, shape = data_rows(recipe, frozenset())
    known = Known("chat", shape, rows, set(), list(rows))
    merged = merge(known, recipe, tmp_path / "made", "any")
    write(merged)
    assert [hash_of(one) for one in data_rows(merged.recipe, frozenset())[0]] == 2 * [hash_of(rows[0])]


def test_labels_of_a_classifier_and_system_prompts_read_back_too(tmp_path: Path) -> None:
    for number, keys in enumerate(({"method": "classify"}, {"system": "Sort it."}, {})):
        (tmp_path / str(number)).mkdir()
        merged_with(tmp_path / str(number), tickets(6, seed=1, kinds=("repair",)), **keys)


def test_rows_that_read_otherwise_are_never_merged(tmp_path: Path) -> None:
    recipe = recipe_over(written(tmp_path / "old.jsonl", tickets(6, seed=0)))
    rows, _ = data_rows(recipe, frozenset())
    other = written(tmp_path / "other.jsonl", tickets(6, seed=2))
    with pytest.raises(ProofError, match="reads otherwise"):
        prove_same(str(other), rows, recipe)


def test_a_row_of_another_form_is_left_out_and_named(tmp_path: Path) -> None:
    talk = [{"role": role, "content": f"{role} {n}"} for n in range(2) for role in ("user", "assistant")]
    merged = merged_with(tmp_path, [{"messages": talk}])
    assert merged.left_out == [{"from": "new.jsonl:1", "why": OTHER_FORM}]


@pytest.mark.parametrize("keys", [{"method": "dpo"}, {"method": "pretrain"}, {"method": "kto"}])
def test_recipes_whose_rows_cannot_be_merged_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="cannot be trained again by itself"):
        refuse_unmergeable(load_recipe({"data": __file__.replace(".py", ".jsonl"), **keys}), "r")


def test_validation_rows_that_the_live_version_learned_do_not_choose_a_start(tmp_path: Path) -> None:
    recipe = recipe_over(written(tmp_path / "old.jsonl", tickets(40, seed=0)))
    known = known_of(recipe, 4)
    strange = [Row(100 + n, "v", row.messages) for n, row in enumerate(_rows(tickets(3, seed=8), tmp_path))]
    like = Row(200, "v", [{**known.learned[0].messages[0]}, {"role": "assistant", "content": "login"}])
    asked = [known.learned[1], like, *strange]
    assert untold_rows(asked, known, True) == {100, 101, 102}


def _rows(values: list[dict[str, Any]], folder: Path) -> list[Row]:
    return data_rows(recipe_over(written(folder / "more.jsonl", values)), frozenset())[0]


def test_the_shape_of_what_is_brought_is_a_plain_one() -> None:
    known = Known("chat", RowFormat("chat"))
    row = Row(0, "a:1", [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}])
    assert known.bring([(row, {"trace": "t"})], load_recipe({"data": __file__})) == 1
    assert known.new == [NewRow(row, {"trace": "t"})] and known.new[0].named == "t"
