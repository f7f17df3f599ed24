"""What could not be served where the recipe says is refused before anything is trained, with the key to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whet.errors import RecipeError
from whet.recipe.load import dump_recipe, load_recipe
from whet.recipe.schema import Recipe
from whet.store.identity import identity


def asked(forms: Any, **keys: Any) -> Recipe:
    return load_recipe({"data": "d.jsonl", "release": {"for": forms}} | keys)


@pytest.mark.parametrize(
    ("adapter", "said", "value", "fix"),
    [
        ({"rank": 513}, "vLLM reads at most 512", "adapter.rank: 513", "set it to 512 or less"),
        ({"rank_pattern": {"q_proj": 600}}, "its rank is 600", "adapter.rank_pattern", "512 or less"),
        ({"rank_pattern": {"q_proj": 8}}, "several ranks", "adapter.rank_pattern", "leave adapter.rank_pattern out"),
        ({"dora": True}, "DoRA", "adapter.dora: True", "leave adapter.dora out"),
        ({"modules_to_save": ["lm_head"]}, "trained whole", "adapter.modules_to_save", "leave adapter.modules_to_save"),
        ({"targets": ["q_proj", "embed_tokens"]}, "embed_tokens", "adapter.targets", "leave it out of adapter.targets"),
    ],
)
def test_an_adapter_that_vllm_does_not_read(adapter: dict[str, Any], said: str, value: str, fix: str) -> None:
    with pytest.raises(RecipeError, match=f"vLLM could not serve it: .*{said}") as error:
        asked("vllm", adapter=adapter)
    assert value in str(error.value.value) and fix in error.value.fix
    assert "set release.for: merged" in error.value.fix
    assert asked(["merged", "gguf"], adapter=adapter).release, "and that is a way out"


@pytest.mark.parametrize(
    "adapter",
    [{}, {"rank": 512}, {"rslora": True, "alpha_pattern": {"q_proj": 8.0}}, {"targets": ["q_proj"]}, {"kind": "full"}],
)
def test_what_vllm_serves_passes(adapter: dict[str, Any]) -> None:
    assert asked("vllm", adapter=adapter).release


@pytest.mark.parametrize(
    ("forms", "keys", "said"),
    [
        ("adapter", {"adapter": "full"}, "there is no adapter to release"),
        ("adapter", {"method": "classify"}, "there is none to release"),
        (["merged", "vllm"], {"method": "reward"}, "a model with a head writes nothing, and vllm serves"),
        (["gguf", "ollama"], {"method": "classify"}, "and gguf, ollama serves"),
        ("vlm", {}, "release.for"),
        ([], {}, "release.for"),
    ],
)
def test_models_that_leave_otherwise(forms: Any, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        asked(forms, **keys)


def test_it_is_written_and_read(tmp_path: Path) -> None:
    for forms in ("vllm", ["vllm", "gguf"]):
        (tmp_path / "recipe.yaml").write_text(dump_recipe(asked(forms)), "utf-8")
        stored = load_recipe(tmp_path / "recipe.yaml").release
        assert stored is not None and stored.model_dump() == {"for": forms}


def test_where_it_is_served_makes_no_other_run(tmp_path: Path) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text('{"text": "a"}\n', "utf-8")
    plain = identity(Recipe(data=str(data)))
    assert identity(load_recipe({"data": str(data), "release": {"for": "vllm"}})) == plain
    assert identity(load_recipe({"data": str(data), "seed": 1})) != plain
