"""What `keep` and `forgetting` may say, and what is refused because another key contradicts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whet.errors import RecipeError
from whet.recipe.conflicts.keep import refuse_keep_contradictions
from whet.recipe.keep_rule import EVERY, LARGEST_KL, LEAST_STEPS, REPLAY_RATIO
from whet.recipe.load import dump_recipe, load_recipe
from whet.recipe.rules import DataFacts, fill_defaults
from whet.store.identity import identity

FACTS = DataFacts(rows=500, tokens=20_000, supervised_tokens=5_000, hidden_size=192, parameters=3_000_000, context=1024)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"keep": {"replay": "base", "ratio": 1.0}}, "ratio"),
    ({"keep": {"scale": 0}}, "scale"),
    ({"keep": {"scale": 1.2}}, "scale"),
    ({"keep": {"kl": -1.0}}, "kl"),
    ({"keep": {"replay": "none", "ratio": 0.2}}, "nothing is replayed that could have a ratio"),
    ({"keep": {"replay": "none", "every": 2}}, "nothing is replayed that could have its steps"),
    ({"keep": {"every": 0}}, "every"),
    ({"keep": {"replay": "none", "prompts": "p.jsonl"}}, "keep.prompts is not used"),
    ({"keep": "no"}, "keep"),
    ({"keep": {"replays": "base"}}, "replay"),
    ({"keep": {"replay": "base"}, "method": "classify"}, "replay rows cannot be mixed in"),
    ({"keep": {"scale": 0.5}, "method": "reward"}, "with a head"),
    ({"keep": {"scale": "auto"}, "method": "dpo"}, "validation rows"),
    ({"keep": {"scale": "auto"}, "method": {"kind": "grpo", "rewards": {"kind": "exact"}}}, "by its reward"),
    ({"keep": {"kl": 0.1}, "adapter": "full"}, "trains them away"),
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
    keep = {"replay": "base", "prompts": "p.jsonl", "ratio": 0.3, "every": 2, "kl": 0.5, "scale": "auto"}
    recipe = load_recipe({"data": "d.jsonl", "keep": keep, "forgetting": {"text": 0.05, "score": 0.1, "kl": 2.0}})
    (tmp_path / "r.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "r.yaml") == recipe


def kept(keys: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """`keep` as the rules fill it in, and the reasons."""
    recipe, choices = fill_defaults(load_recipe({"data": "d.jsonl", "method": "sft", **keys}), FACTS)
    return recipe.keep, {choice.key: choice.reason for choice in choices if choice.key.startswith("keep.")}


def test_a_recipe_that_says_nothing_keeps_its_base_and_is_told_why() -> None:
    keep, reasons = kept({})
    assert (keep.replay, keep.ratio, keep.every, keep.kl) == ("base", REPLAY_RATIO, EVERY, LARGEST_KL) and keep.replays
    assert list(reasons) == ["keep.replay", "keep.ratio", "keep.every", "keep.kl"] and all(reasons.values())
    assert "keep: false" in reasons["keep.replay"] and "docs/measuring/forgetting.md" in reasons["keep.kl"]


def test_false_turns_it_off_in_a_file_and_in_an_override(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("data: d.jsonl\nmethod: sft\nkeep: false\n")
    (tmp_path / "d.jsonl").write_text("{}\n")
    for recipe in (load_recipe(tmp_path / "r.yaml"), load_recipe(tmp_path / "d.jsonl", ["keep=false"])):
        resolved, choices = fill_defaults(recipe, FACTS)
        assert not resolved.keep.replays and not resolved.keep.kl
        assert not any(choice.key.startswith("keep") for choice in choices)
        (tmp_path / "again.yaml").write_text(dump_recipe(resolved))
        assert load_recipe(tmp_path / "again.yaml") == resolved, "it stays off when the run is read again"


def test_what_is_said_wins_and_the_rest_is_filled_in() -> None:
    keep, reasons = kept({"keep": {"ratio": 0.4, "every": 1}})
    assert (keep.replay, keep.ratio, keep.every, keep.kl) == ("base", 0.4, 1, 1.0), "every step pulls half as hard"
    assert list(reasons) == ["keep.replay", "keep.kl"]
    keep, _ = kept({"keep": {"replay": "general.jsonl"}})
    assert (keep.replay, keep.ratio, keep.every, keep.kl) == ("general.jsonl", REPLAY_RATIO, EVERY, None)
    keep, _ = kept({"keep": {"kl": 0.3}})
    assert (keep.replay, keep.kl, keep.every) == ("base", 0.3, EVERY), "a weight alone turns no replay off"
    keep, _ = kept({"keep": {"replay": "none", "kl": 0.3}})
    assert (keep.replay, keep.kl) == ("none", 0.3), "without a replay it is taken on the answers"
    keep, _ = kept({"keep": {"kl": 0.3, "every": 2}})
    assert (keep.replay, keep.kl, keep.every) == ("base", 0.3, 2), "every speaks of a replay"
    keep, _ = kept({"keep": {"scale": 0.5}})
    assert keep.replay == "base" and keep.scale == 0.5


def test_all_weights_have_no_base_to_read_so_its_words_are_learned() -> None:
    keep, reasons = kept({"adapter": "full"})
    assert (keep.replay, keep.kl) == ("base", 0.0) and "no base to read" in reasons["keep.kl"]


@pytest.mark.parametrize(
    "method",
    ["classify", "reward", "dpo", "kto", {"kind": "grpo", "rewards": {"kind": "exact"}}, {"kind": "distil"}]
    + [{"kind": "pretrain", "from_scratch": True}],
)
def test_methods_that_have_nothing_to_keep_or_their_own_way_get_none(method: Any) -> None:
    """And what the rule fills in is never refused by the check that reads the finished recipe."""
    keys = {"method": method} | ({"adapter": "full"} if isinstance(method, dict) and "from_scratch" in method else {})
    if isinstance(method, dict) and method["kind"] == "distil":
        keys["method"] = method | {"teacher": "nano"}
    recipe, _ = fill_defaults(load_recipe({"data": "d.jsonl", **keys}), FACTS)
    assert recipe.keep.replay == "none" and not recipe.keep.kl
    refuse_keep_contradictions(recipe, "recipe")


@pytest.mark.parametrize("keys", [{}, {"adapter": "full"}, {"method": "pretrain"}, {"keep": {"scale": 0.5}}])
def test_what_the_rule_fills_in_is_not_refused(keys: dict[str, Any]) -> None:
    recipe, _ = fill_defaults(load_recipe({"data": "d.jsonl", "method": "sft", **keys}), FACTS)
    assert recipe.keep.replays
    refuse_keep_contradictions(recipe, "recipe")


def test_a_run_of_a_few_steps_replays_nothing_unless_it_is_asked_to() -> None:
    assert kept({"steps": LEAST_STEPS - 1})[0].replay == "none" and kept({"steps": LEAST_STEPS})[0].replay == "base"
    keep, _ = kept({"steps": 1, "keep": {"replay": "base"}})
    assert keep.every == 1, "what is asked for comes at least once"


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
