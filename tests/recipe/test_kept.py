"""What `keep` and `forgetting` may say, and what is refused because another key contradicts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whet.errors import RecipeError
from whet.recipe.load import dump_recipe, load_recipe
from whet.recipe.rules import REPLAY_RATIO, Facts, resolve
from whet.store.identity import identity

FACTS = Facts(rows=500, tokens=20_000, supervised_tokens=5_000, hidden_size=192, parameters=3_000_000, context=1024)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"keep": {"replay": "base", "ratio": 1.0}}, "ratio"),
    ({"keep": {"scale": 0}}, "scale"),
    ({"keep": {"scale": 1.2}}, "scale"),
    ({"keep": {"kl": -1.0}}, "kl"),
    ({"keep": {"ratio": 0.2}}, "nothing is replayed"),
    ({"keep": {"prompts": "p.jsonl"}}, "nothing asks"),
    ({"keep": {"replays": "base"}}, "replay"),
    ({"keep": {"replay": "base"}, "method": "classify"}, "classify learns"),
    ({"keep": {"scale": 0.5}, "method": "reward"}, "a head"),
    ({"keep": {"scale": "auto"}, "method": "dpo"}, "validation rows"),
    ({"keep": {"scale": "auto"}, "method": {"kind": "grpo", "rewards": {"kind": "exact"}}}, "by its reward"),
    ({"keep": {"kl": 0.1}, "adapter": "full"}, "leaves no base"),
    ({"keep": {"kl": 0.1}, "method": "kto"}, "held to its base"),
    ({"keep": {"scale": 0.5}, "method": {"kind": "pretrain", "from_scratch": True}}, "noise"),
    ({"forgetting": {"text": 0.0}}, "text"),
    ({"forgetting": {"score": 1.0}}, "score"),
    ({"forgetting": {"suites": [""]}}, "suites"),
]


@pytest.mark.parametrize(("keys", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_cannot_be_obeyed_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        load_recipe({"data": "d.jsonl", **keys})


def test_a_whole_keep_comes_back_from_its_file(tmp_path: Path) -> None:
    keep = {"replay": "base", "prompts": "p.jsonl", "ratio": 0.3, "kl": 0.5, "scale": "auto"}
    recipe = load_recipe({"data": "d.jsonl", "keep": keep, "forgetting": {"text": 0.05, "score": 0.1, "kl": 2.0}})
    (tmp_path / "r.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "r.yaml") == recipe


def test_the_ratio_of_a_replay_comes_from_a_rule_that_says_why() -> None:
    recipe, choices = resolve(load_recipe({"data": "d.jsonl", "keep": {"replay": "base"}}), FACTS)
    assert recipe.keep.ratio == REPLAY_RATIO
    assert next(choice for choice in choices if choice.key == "keep.ratio").reason
    untouched, choices = resolve(load_recipe({"data": "d.jsonl"}), FACTS)
    assert untouched.keep.ratio is None and not any("keep" in choice.key for choice in choices)


def test_files_are_found_beside_the_recipe_and_never_above_it(tmp_path: Path) -> None:
    (tmp_path / "outside.jsonl").write_text("{}\n")
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "general.jsonl").write_text("{}\n")
    (folder / "law.jsonl").write_text("{}\n")
    (folder / "r.yaml").write_text("data: d.jsonl\nkeep: {replay: general.jsonl}\nforgetting: {suites: [law.jsonl]}\n")
    recipe = load_recipe(folder / "r.yaml")
    assert recipe.keep.replay == str(folder / "general.jsonl")
    assert recipe.forgetting.suites == [str(folder / "law.jsonl")]
    for line in ("keep: {replay: ../outside.jsonl}", "forgetting: {suites: [../outside.jsonl]}"):
        (folder / "r.yaml").write_text(f"data: d.jsonl\n{line}\n")
        with pytest.raises(RecipeError, match="leads out"):
            load_recipe(folder / "r.yaml")


def test_other_replay_is_another_run(tmp_path: Path) -> None:
    data, general = tmp_path / "d.jsonl", tmp_path / "general.jsonl"
    data.write_text("{}\n")
    found = []
    for text in ("one\n", "two\n"):
        general.write_text(text)
        found.append(identity(load_recipe({"data": str(data), "keep": {"replay": str(general)}})))
    assert found[0][0] == found[1][0] and found[0][1] != found[1][1]
