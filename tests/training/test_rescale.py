"""Full weights brought nearer to their base: every one of them, or none."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.tiny_models import CONFIGS, tiny
from whet.errors import ModelError, RecipeError
from whet.model.adapter import add_adapter, load_adapter, merge_adapter
from whet.recipe.load import load_recipe
from whet.recipe.schema import Lora
from whet.store.atomic import sha256_file
from whet.training import rescale as rescaled
from whet.verbs.studies.part_of_the_way import refuse_scale

FACTS = {
    "base": "tiny", "base_fingerprint": "same", "dtype": "float32", "adapter": "full", "seed": 0, "from_scratch": False,
    "clock": "", "golden_prompt": [], "golden_ids": [],
}  # fmt: skip


def saved(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, fingerprint: str = "same", **changes: Any
) -> tuple[Any, Any]:
    """(base, tuned), with the tuned one in `folder`. `changes` are of the tuned one's shape."""
    base, tuned = tiny(name, seed=0), tiny(name, seed=1, **changes)
    tuned.save_pretrained(folder)
    (folder / "whet.json").write_text(json.dumps(FACTS))

    def load(name: str, dtype: torch.dtype, *_: Any) -> Any:
        model = base if name == "tiny" else AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
        return SimpleNamespace(model=model, fingerprint=fingerprint)

    monkeypatch.setattr(rescaled, "load_base", load)
    return base, tuned


@pytest.mark.parametrize("name", CONFIGS)
def test_every_weight_goes_the_same_way(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, tuned = saved(tmp_path / "model", name, monkeypatch)
    rescaled.rescale(tmp_path / "model", 0.25, False)
    found = type(tuned).from_pretrained(tmp_path / "model")
    pairs = zip(base.named_parameters(), tuned.parameters(), found.parameters(), strict=True)
    for (weight, start), own, mixed in pairs:
        assert torch.allclose(mixed, 0.75 * start + 0.25 * own, atol=1e-6), weight
    digests = json.loads((tmp_path / "model" / "whet.json").read_text())["weights_sha256"]
    assert digests == {path.name: sha256_file(path) for path in (tmp_path / "model").glob("*.safetensors")}


def test_an_output_layer_that_is_no_longer_tied_starts_at_the_embedding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned = saved(tmp_path / "model", "Llama", monkeypatch, tie_word_embeddings=False)
    rescaled.rescale(tmp_path / "model", 0.5, False)
    found = type(tuned).from_pretrained(tmp_path / "model")
    embedding = base.get_input_embeddings().weight
    assert torch.allclose(found.lm_head.weight, (embedding + tuned.lm_head.weight) / 2, atol=1e-6)


def test_a_weight_without_a_match_in_the_base_is_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "model", "Qwen2", monkeypatch, num_hidden_layers=3, layer_types=None)
    path = tmp_path / "model" / "model.safetensors"
    before = path.read_bytes()
    with pytest.raises(ModelError, match=r"12 of the trained weights .*model.layers.2"):
        rescaled.rescale(tmp_path / "model", 0.5, False)
    assert path.read_bytes() == before and "scale" not in json.loads((tmp_path / "model" / "whet.json").read_text())


def test_a_base_that_has_changed_is_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "model", "Qwen2", monkeypatch, fingerprint="another")
    with pytest.raises(ModelError, match="other weights"):
        rescaled.rescale(tmp_path / "model", 0.5, False)


def test_modules_with_an_alpha_of_their_own_go_the_same_way(tmp_path: Path) -> None:
    adapter = Lora(rank=4, alpha=8.0, rslora=True, rank_pattern={"o_proj": 2}, alpha_pattern={"v_proj": 3.0})
    tuned = add_adapter(tiny("Llama"), adapter, seed=0)
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=random))
    tuned.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "whet.json").write_text(json.dumps(FACTS | {"adapter": "lora"}))
    rescaled.rescale(tmp_path / "model", 0.25, False)
    found = dict(merge_adapter(load_adapter(tiny("Llama"), tmp_path / "model")).named_parameters())
    base, whole = (dict(model.named_parameters()) for model in (tiny("Llama"), merge_adapter(tuned)))
    for name, start in base.items():
        assert torch.allclose(found[name], torch.lerp(start, whole[name], 0.25), atol=1e-5), name


@pytest.mark.parametrize(("option", "value"), [("use_dora", True), ("modules_to_save", ["embed_tokens"])])
def test_an_adapter_that_is_no_plain_difference_is_at_no_point_of_the_line(
    option: str, value: Any, tmp_path: Path
) -> None:
    (tmp_path / "whet.json").write_text(json.dumps(FACTS | {"adapter": "lora"}))
    config = json.dumps({"lora_alpha": 8.0, option: value})
    (tmp_path / "adapter_config.json").write_text(config)
    with pytest.raises(ModelError, match="no part of the way can be taken"):
        rescaled.rescale(tmp_path, 0.5, False)
    assert (tmp_path / "adapter_config.json").read_text() == config


def test_taking_half_the_way_of_such_a_run_is_refused_before_a_run_is_made() -> None:
    kept = load_recipe({"data": "a.jsonl", "adapter": {"modules_to_save": ["embed_tokens"]}})
    run: Any = SimpleNamespace(name="desk", recipe=kept)
    refuse_scale(run, 1.0)
    for scale in (0.5, "auto"):
        with pytest.raises(RecipeError, match="no part of the way can be taken"):
            refuse_scale(run, scale)
