"""Each reward gives what its words say; what it cannot score is refused with the row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whet.errors import DataError, RecipeError, RunError
from whet.recipe.load import load_recipe
from whet.recipe.schema import Grpo
from whet.rewards.combine import Rewards, build_rewards
from whet.rewards.json_schema import read_schema, valid
from whet.rewards.reward_check import reward_warnings
from whet.types import Row


def rewards(*settings: Any) -> Rewards:
    method = load_recipe({"data": "a", "method": {"kind": "grpo", "rewards": list(settings)}}).method
    assert isinstance(method, Grpo)
    return build_rewards(method.rewards)


def row(reference: str = "", **fields: Any) -> Row:
    turns = [{"role": "user", "content": "q"}]
    turns += [{"role": "assistant", "content": reference}] if reference else []
    return Row(0, "data.jsonl:7", turns, fields=fields)


def score(settings: Any, answers: list[str], one: Row) -> list[float]:
    found = rewards(settings)([[]] * len(answers), answers, [one] * len(answers))
    assert found.total == next(iter(found.parts.values()))
    return found.total


def test_exact_leaves_case_spaces_and_a_final_period_aside() -> None:
    assert score("exact", ["Paris", " paris.\n", "Paris, France", ""], row("Paris")) == [1, 1, 0, 0]


def test_exact_of_the_final_part_compares_results_alone() -> None:
    one = {"kind": "exact", "part": "final"}
    answers = ["so\n#### 1,200", "#### 1200.", "1200", "#### 12"]
    assert score(one, answers, row("2 x 600\n#### 1200")) == [1, 1, 0, 0]
    with pytest.raises(DataError, match=r"data.jsonl:7: the reference has no result"):
        score(one, ["#### 1"], row("1200"))


def test_a_reward_that_compares_wants_a_reference() -> None:
    with pytest.raises(DataError, match=r"data.jsonl:7.*this row has none"):
        score("exact", ["x"], row())


def test_regex_is_searched_in_the_answer() -> None:
    assert score({"kind": "regex", "pattern": r"^\d+$"}, ["12", "12 apples"], row()) == [1, 0]


def test_length_falls_to_nothing_at_twice_as_much() -> None:
    found = score({"kind": "length", "most": 4}, ["", "abcd", "abcdef", "abcdefgh", "abcdefghij"], row())
    assert found == [1, 1, 0.5, 0, 0]


@pytest.mark.parametrize(
    ("match", "expected"), [("exact", [1, 0, 0, 0]), ("fields", [1, 0.5, 0, 0]), ("none", [1, 1, 0, 0])]
)
def test_json_is_parsed_as_a_program_would(match: str, expected: list[float]) -> None:
    answers = ['{"b": 2, "a": 1.0}', '{"a": 1, "b": 3}', '{"a": 1', '[{"a": 1, "b": 2}]']
    assert score({"kind": "json", "match": match}, answers, row('{"a": 1, "b": 2}')) == expected


def test_json_of_another_schema_is_worth_nothing(tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 0}}}
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(schema))
    one = {"kind": "json", "match": "none", "schema_file": str(path)}
    assert score(one, ['{"a": 3, "b": 1}', '{"a": -1}', '{"b": 1}', '{"a": "3"}'], row()) == [1, 0, 0, 0]


SCHEMAS: list[tuple[Any, list[Any], list[Any]]] = [
    ({"type": "number"}, [1, 1.5], [True, "1", None]),
    ({"type": "integer"}, [1, 1.0], [1.5, True]),
    ({"type": ["string", "null"]}, ["a", None], [1]),
    ({"enum": ["a", 1]}, ["a", 1, 1.0], [True, "b"]),
    ({"const": None}, [None], [0, False]),
    ({"minLength": 2, "maxLength": 3}, ["ab", 7], ["a", "abcd"]),
    ({"pattern": "^a"}, ["ab", 3], ["ba"]),
    ({"minimum": 1, "exclusiveMaximum": 3}, [1, 2.9, "x"], [0.9, 3]),
    ({"multipleOf": 0.5}, [1, 1.5], [1.2]),
    ({"items": {"type": "string"}, "minItems": 1, "uniqueItems": True}, [["a", "b"]], [[], ["a", "a"], [1]]),
    ({"properties": {"a": {"type": "null"}}, "additionalProperties": False}, [{}, {"a": None}], [{"b": 1}, {"a": 1}]),
    ({"additionalProperties": {"type": "integer"}}, [{"a": 1}], [{"a": "1"}]),
    ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 2}]),
    ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, ["a", 6], [3]),
    ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, [0, 6], [3]),
    ({"allOf": [{"minimum": 1}, {"maximum": 5}]}, [3], [0, 6]),
    ({"not": {"type": "string"}, "title": "anything else"}, [1], ["a"]),
    ({"items": False}, [[], {}], [[1]]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), SCHEMAS)
def test_schemas_of_the_standard(schema: Any, good: list[Any], bad: list[Any]) -> None:
    assert all(valid(value, schema) for value in good)
    assert not any(valid(value, schema) for value in bad)


@pytest.mark.parametrize("schema", [{"$ref": "#/x"}, {"properties": {"a": {"patern": "x"}}}, {"type": "text"}, [1]])
def test_a_schema_that_would_be_half_obeyed_is_refused(schema: Any, tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(schema))
    with pytest.raises(RecipeError, match=r"schema\.json"):
        read_schema(str(path))


def test_components_are_weighted_and_logged_apart() -> None:
    found = rewards({"kind": "exact", "weight": 2}, {"kind": "length", "most": 1}, {"kind": "length", "most": 9})
    scores = found([[]] * 2, ["ab", "abc"], [row("ab")] * 2)
    assert scores.parts == {"exact": [1, 0], "length": [0, 0], "length-2": [1, 1]}
    assert scores.total == [3, 1] and found.main == "exact"


CODE = """
def good(prompts, answers, rows):
    return [row["n"] + len(answer) for answer, row in zip(answers, rows)]
def two(prompts, answers): return []
def short(prompts, answers, rows): return [1.0]
def none(prompts, answers, rows): return [float("nan")] * len(rows)
def fails(prompts, answers, rows): return [1 / row["n"] for row in rows]
number = 3
def deep(prompts, answers, rows):
    return [inner(row) for row in rows]
def inner(row):
    raise KeyboardInterrupt if row["n"] == 7 else Own("stop")
class Own(BaseException): pass
def leaves(prompts, answers, rows): raise SystemExit
def silent(prompts, answers, rows): return [None if answer == "?" else float(len(answer)) for answer in answers]
def array(prompts, answers, rows):
    import numpy as np
    return np.array([len(answer) for answer in answers], dtype=np.float32)
def numbers(prompts, answers, rows):
    import numpy as np, torch
    return [np.float32(1), np.bool_(True), np.array([3]), torch.tensor(4.0)][: len(answers)]
def tensor(prompts, answers, rows):
    import torch
    return torch.tensor([float(len(answer)) for answer in answers])
def table(prompts, answers, rows):
    import numpy as np
    return np.zeros((len(answers), 2))
def prints(prompts, answers, rows):
    import os
    print("loud")
    os.system("echo louder")
    return [1.0] * len(rows)


async def later(prompts, answers, rows):
    return [1.0 for _ in answers]
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "score.py"
    path.write_text(CODE)
    return path


def test_a_function_sees_the_columns_as_they_stand(code: Path) -> None:
    assert score({"kind": "function", "function": f"{code}:good"}, ["abc", ""], row(n=2)) == [5, 2]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("god", "did you mean 'good'"),
        ("number", "no function 'number'"),
        ("two", "takes three arguments"),
        ("later", "is async, and nothing awaits it"),
    ],
)
def test_a_function_of_another_form_is_refused_before_anything_runs(code: Path, name: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        rewards({"kind": "function", "function": f"{code}:{name}"})


def test_a_file_that_is_not_there_or_not_python_is_refused(code: Path) -> None:
    with pytest.raises(RecipeError, match=r"did you mean 'score\.py'"):
        rewards({"kind": "function", "function": f"{code.parent}/scor.py:good"})
    code.write_text("def good(:")
    with pytest.raises(RecipeError, match="cannot be imported: SyntaxError"):
        rewards({"kind": "function", "function": f"{code}:good"})


def test_a_function_that_fails_is_one_error_with_the_row(code: Path) -> None:
    failing = rewards({"kind": "function", "function": f"{code}:fails"})
    rows = [row(n=1), Row(1, "data.jsonl:8", fields={"n": 0})]
    with pytest.raises(RunError, match=r"data\.jsonl:8, answer 'b': the reward .* failed: ZeroDivisionError"):
        failing([[], []], ["a", "b"], rows)


@pytest.mark.parametrize(
    ("name", "raised", "line"),
    [("fails", "ZeroDivisionError", 7), ("deep", "Own: stop", 12), ("leaves", "SystemExit", 14)],
)
def test_the_line_of_the_users_file_is_named_whatever_was_raised(code: Path, name: str, raised: str, line: int) -> None:
    failing = rewards({"kind": "function", "function": f"{code}:{name}"})
    with pytest.raises(RunError, match=rf"^score\.py:{line}, data.jsonl:\d+, answer 'a': .* failed: {raised}"):
        failing([[]], ["a"], [row(n=0)])


def test_whoever_stops_the_command_is_not_taken_for_the_function(code: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        score({"kind": "function", "function": f"{code}:deep"}, ["a"], row(n=7))


def test_the_line_that_is_no_python_is_named(code: Path) -> None:
    code.write_text("import json\n\ndef good(:\n")
    with pytest.raises(RecipeError, match=r"score\.py:3: .* SyntaxError: invalid syntax"):
        rewards({"kind": "function", "function": f"{code}:good"})
    code.write_text("import json\nraise json.JSONDecodeError('a', 'b', 0)\n")
    with pytest.raises(RecipeError, match=r"score\.py:2: .* JSONDecodeError"):
        rewards({"kind": "function", "function": f"{code}:good"})


def test_none_abstains_and_prefers_no_answer_to_the_same_row(code: Path) -> None:
    found = rewards({"kind": "function", "function": f"{code}:silent"}, {"kind": "length", "most": 9, "weight": 0})
    rows = [Row(0, "d:1"), Row(0, "d:1"), Row(0, "d:1"), Row(1, "d:2"), Row(1, "d:2")]
    scores = found([[]] * 5, ["a", "abc", "?", "?", "?"], rows)
    assert scores.total == [1, 3, 2, 0, 0] and scores.abstained == {"function": 3}


@pytest.mark.parametrize(
    ("name", "expected"), [("array", [2, 3, 0, 1]), ("numbers", [1, 1, 3, 4]), ("tensor", [2, 3, 0, 1])]
)
def test_numbers_and_arrays_of_numpy_and_torch_are_numbers(code: Path, name: str, expected: list[float]) -> None:
    found = score({"kind": "function", "function": f"{code}:{name}"}, ["ab", "abc", "", "a"], row(n=1))
    assert found == expected and all(type(value) is float for value in found)


def test_what_a_function_prints_does_not_reach_stdout(code: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code.write_text("print('at import')\n" + code.read_text())
    assert score({"kind": "function", "function": f"{code}:prints"}, ["a"], row(n=1)) == [1]
    shown = capfd.readouterr()
    assert shown.out == "" and all(word in shown.err for word in ("at import", "loud", "louder"))


@pytest.mark.parametrize(
    ("name", "said"),
    [("short", "must return 2 numbers"), ("none", "returned no number"), ("table", "returned no number")],
)
def test_what_a_function_returns_is_checked(code: Path, name: str, said: str) -> None:
    with pytest.raises(RunError, match=said):
        score({"kind": "function", "function": f"{code}:{name}"}, ["a", "b"], row(n=1))


def test_a_recipe_finds_its_code_beside_itself_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, elsewhere = tmp_path / "recipes", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    (inside / "score.py").write_text(CODE)
    (tmp_path / "outside.py").write_text(CODE)
    (inside / "link.py").symlink_to(tmp_path / "outside.py")
    monkeypatch.chdir(elsewhere)
    text = "data: a\nmethod: {kind: grpo, rewards: [{kind: function, function: '%s:good'}]}\n"
    recipe = inside / "recipe.yaml"
    recipe.write_text(text % "score.py")
    found = load_recipe(recipe).method
    assert isinstance(found, Grpo)
    assert build_rewards(found.rewards)([[]], ["ab"], [row(n=1)]).total == [3]
    for name in ("../outside.py", str(tmp_path / "outside.py"), "link.py"):
        recipe.write_text(text % name)
        with pytest.raises(RecipeError, match=r"leads out of the recipe's folder"):
            load_recipe(recipe)


def test_a_reward_that_tells_nothing_apart_and_one_that_silence_earns_are_reported() -> None:
    rows = [row("yes"), row("no")]
    exact, length = rewards("exact"), rewards({"kind": "length", "most": 5})

    def said(found: Rewards, answers: list[str]) -> list[str]:
        prompts: list[list[Any]] = [[], []]
        return reward_warnings(found, found(prompts, answers, rows), prompts, rows)

    assert said(exact, ["yes", "maybe"]) == []
    [constant] = said(exact, ["maybe", "perhaps"])[:1]
    assert "'exact' is 0 for every one of the first 2 answers" in constant
    [empty] = said(length, ["yes", "maybe not"])
    assert "an empty answer gets a reward of 1" in empty
    both = rewards("exact", {"kind": "length", "most": 5})
    assert said(both, ["yes", "maybe not"]) == [], "the right answers are worth more than none"
