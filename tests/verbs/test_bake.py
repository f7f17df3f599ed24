"""From prompts to a verdict: answers collected with a prompt, the prompt baked in, tokens saved and quality kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import whet
from bench.shown import bake as shown
from whet.cli.main import run as command
from whet.errors import DataError, RecipeError


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bake")
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": message}) + "\n" for message in shown.messages(120)))
    out = folder / "answers.jsonl"
    whet.collect(prompts, "nano", out, system=shown.PROMPT, max_tokens=shown.ANSWER_TOKENS)
    (folder / "prompt.txt").write_text(shown.PROMPT)
    (folder / "bake.yaml").write_text("data: answers.jsonl\nmethod: {kind: bake, prompt: prompt.txt}\n")
    return folder / "bake.yaml"


@pytest.fixture(scope="module")
def result(collected: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings: dict[str, Any] = {"steps": 4, "evaluate.forgetting": "false", "dtype": "float32", "split.test": 0.2}
    return whet.tune(str(collected), run_root=tmp_path_factory.mktemp("runs"), name="baked", **settings)


def test_the_third_side_stands_beside_the_verdict(result: dict[str, Any]) -> None:
    found, tokens = result["bake"], result["bake"]["request_tokens"]
    assert result["method"] == "bake (lora)" and result["metric"]["name"] == "json"
    assert found["prompted"]["score"] > 0.95, "the references are the prompted base's own answers"
    assert result["base"]["score"] < 0.1
    assert tokens["with"] - tokens["without"] == pytest.approx(tokens["saved"]) and 40 < tokens["saved"] < 60
    assert found["divergence"]["tuned"] < found["divergence"]["base"] / 2, "four steps go half of the way"
    assert found["kept"]["estimate"] == pytest.approx(result["tuned"]["score"] - found["prompted"]["score"])
    assert f"{tokens['saved']:.0f} saved" in found["statement"]


def test_the_report_and_the_answers_hold_it_too(result: dict[str, Any]) -> None:
    report = Path(result["report"])
    assert "Tokens saved a request" in report.read_text("utf-8")
    lines = [json.loads(line) for line in (report.parent / "answers.jsonl").read_text("utf-8").splitlines()]
    share = sum(line["prompted_score"] for line in lines) / len(lines)
    assert share == pytest.approx(result["bake"]["prompted"]["score"]) and all(line["prompted"] for line in lines)


def test_the_metric_nll_compares_probabilities_on_all_three_sides(collected: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 1, "evaluate.forgetting": "false", "evaluate.metric": "nll"}
    settings["evaluate.against"] = ["base"]
    result = whet.tune(str(collected), run_root=tmp_path, **settings)
    assert result["bake"]["prompted"]["score"] > result["base"]["score"] > 0


def test_the_terminal_says_it(collected: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--set", "steps=1", "--set", "evaluate.forgetting=false", "--set", "evaluate.max_new_tokens=4"]
    words += ["--set", "evaluate.against=[base]"]
    assert command(["tune", str(collected), "--runs", str(tmp_path), *words]) == 0
    assert "With the prompt the base scores" in capsys.readouterr().out


def test_rows_that_bring_a_system_prompt_are_refused(tmp_path: Path) -> None:
    row = {"messages": [{"role": r, "content": "x"} for r in ("system", "user", "assistant")]}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for _ in range(20)))
    with pytest.raises(DataError, match="of its own"):
        whet.tune(str(tmp_path / "rows.jsonl"), run_root=tmp_path, method="{kind: bake, prompt: P}")


def test_a_prompt_that_leaves_no_room_is_refused_row_by_row(collected: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="longest row may have 60"):
        whet.tune(str(collected), run_root=tmp_path, max_tokens=60)


def test_plain_text_and_full_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("A text.\n\nAnother text.\n")
    with pytest.raises(DataError, match="needs prompts"):
        whet.tune(str(tmp_path / "t.txt"), run_root=tmp_path, method="{kind: bake, prompt: P}")
    with pytest.raises(RecipeError, match="trains them away"):
        whet.tune(str(tmp_path / "t.txt"), run_root=tmp_path, method="{kind: bake, prompt: P}", adapter="full")


def test_another_prompt_makes_other_rows(collected: Path, tmp_path: Path) -> None:
    """The cache of prepared rows knows the prompt: a longer one may leave a row no room."""
    from whet.data.prepare import prepare
    from whet.data.render.renderer import Renderer
    from whet.model.base import load_tokenizer
    from whet.recipe.load import load_recipe

    renderer = Renderer(load_tokenizer("nano"))
    long = " ".join(["Be brief."] * 150)
    recipes = [load_recipe(collected, [f"method.prompt={prompt}", "drop_budget=1"]) for prompt in ("Hi.", long)]
    short_rows, long_rows = (
        prepare(recipe, renderer.tokenizer, renderer, tmp_path, context=510).ledger.summary() for recipe in recipes
    )
    assert not short_rows["dropped"] and sum(long_rows["dropped"].values()) > 0
