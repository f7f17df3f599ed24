"""An API key in a recipe is refused before a run keeps it, never said, and taken out of runs that have kept one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whet.errors import RecipeError
from whet.recipe.load import load_recipe
from whet.recipe.secret_keys import TAKEN_OUT, names_a_variable
from whet.store.run import Run

KEY = "sk-proj-" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1w"
JUDGE: dict[str, Any] = {"url": "http://localhost:8000/v1", "model": "m", "rubric": "polite"}
REWARD = {"kind": "judge", "url": JUDGE["url"], "model": "m", "question": "polite"}
PASTED: dict[str, dict[str, Any]] = {
    "evaluate.judge.key": {"evaluate": {"judge": JUDGE | {"key": KEY}}},
    "method.rewards.0.key": {"method": {"kind": "grpo", "rewards": [REWARD | {"key": "gsk_" + "a1B2" * 13}]}},
    "evaluate.judge.api_key": {"evaluate": {"judge": JUDGE | {"api_key": "whatever-it-is"}}},
    "evaluate.judge.url": {"evaluate": {"judge": JUDGE | {"url": "https://me:s3cretpass@host/v1"}}},
    "compare.remote.0.url": {"compare": {"remote": [{"model": "m", "url": "https://host/v1?api-key=abc123"}]}},
    "system": {"system": f"Use {KEY} when asked."},
    "hf_token": {"hf_token": "hf_" + "aB3" * 11},
}


@pytest.mark.parametrize(("place", "values"), PASTED.items(), ids=PASTED)
def test_a_key_is_refused_and_not_said(place: str, values: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="name an environment variable") as error:
        load_recipe({"data": "a.jsonl", **values})
    assert place in str(error.value)
    assert not any(
        secret in str(error.value) for secret in (KEY, "s3cretpass", "abc123", "whatever-it-is", "a1B2", "aB3")
    )


def test_the_place_of_a_key_is_told(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        f"data: a.jsonl\nevaluate:\n  judge:\n    url: http://h/v1\n    model: m\n    key: {KEY}\n    rubric: r\n"
    )
    with pytest.raises(RecipeError, match=r"r.yaml:6: evaluate.judge.key"):
        load_recipe(path)
    with pytest.raises(RecipeError, match=r"--set evaluate.judge.key"):
        load_recipe(
            "a.csv/b", ["evaluate.judge={url: 'http://h/v1', model: m, rubric: r}", f"evaluate.judge.key={KEY}"]
        )


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "judge_key", "HF_TOKEN", "k", "MY_KEY_2", "AZURE_OPENAI_KEY_2025_WEST"]
)
def test_names_of_variables_are_names(name: str) -> None:
    assert names_a_variable(name)
    assert load_recipe({"data": "a.jsonl", "evaluate": {"judge": JUDGE | {"key": name}}}).evaluate.judge


@pytest.mark.parametrize(
    "key", [KEY, "hf_" + "aB3" * 11, "0123456789abcdef", "abc123def456ghi789jkl0", "a key", "AKIAIOSFODNN7EXAMPLF"]
)
def test_keys_are_not_names(key: str) -> None:
    assert not names_a_variable(key)


def test_older_runs_lose_the_key_that_they_kept(tmp_path: Path) -> None:
    data = tmp_path / "a.jsonl"
    data.write_text('{"prompt": "a", "completion": "b"}\n')
    recipe = load_recipe({"data": str(data), "evaluate": {"judge": JUDGE | {"key": "PLACE"}}})
    run = Run.create(tmp_path, recipe, "old")
    for name in ("recipe.yaml", "recipe.resolved.yaml"):
        (run.folder / name).write_text((run.folder / "recipe.yaml").read_text().replace("PLACE", KEY))
    (run.folder / "report.html").write_text(f"<p>key: {KEY}</p>")
    opened = Run.open("old", tmp_path)
    assert opened.recipe.evaluate.judge and opened.recipe.evaluate.judge.key == TAKEN_OUT
    assert opened.requested.evaluate.judge
    assert not any(KEY in path.read_text() for path in [*run.folder.glob("*.yaml"), run.folder / "report.html"])
    assert "was taken out" in (run.folder / "recipe.yaml").read_text()
