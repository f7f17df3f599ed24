"""A base that cannot be read rightly is refused in one line, with the fix; nothing is guessed, nothing is run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from tests.tiny_models import config_of, tiny, tiny_tokenizer
from whet.errors import ModelError
from whet.model.base import context_of, load_base, load_config, load_tokenizer, random_base


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "whole"
    tiny("Qwen2").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "base"))


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change: Callable[[dict], None]) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def refusal(name: Path | str) -> str:
    with pytest.raises(ModelError) as caught:
        load_base(str(name), torch.float32)
    assert caught.value.exit_code == 2 and caught.value.fix
    return str(caught.value)


def test_a_whole_folder_loads_as_it_was_saved(whole: Path) -> None:
    base = load_base(str(whole), torch.float32)
    assert not base.model.training and base.context == 64 and base.hidden_size == 32
    for name, parameter in tiny("Qwen2").state_dict().items():
        assert torch.equal(base.model.state_dict()[name], parameter), name


def test_the_bundled_base_loads() -> None:
    base = load_base("nano", torch.float32)
    assert base.context == 1024 and base.tokenizer.eos_token == "<|end|>"


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "no such base folder" in refusal(tmp_path / "nowhere")
    assert "no such base folder" in refusal("./nowhere")


def test_a_folder_without_config(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    message = refusal(tmp_path)
    assert "config.json is missing" in message and "notes.txt" in message


def test_a_file_instead_of_a_folder(folder: Path) -> None:
    assert "config.json is missing (it holds a file)" in refusal(folder / "model.safetensors")


def test_a_name_that_does_not_exist() -> None:
    assert "did you mean 'nano'" in refusal("nanno")


def test_a_hub_name_without_network() -> None:
    assert "neither on this disk nor could the Hugging Face Hub be reached" in refusal("nobody/nothing")


class Bomb:
    """What a hostile pickle does: it runs when it is opened."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_pickles_are_never_opened(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(Bomb(tmp_path / "opened"), folder / name)
    message = refusal(folder)
    assert "pickle" in message and name in message
    assert not (tmp_path / "opened").exists()


def test_a_pickle_beside_safetensors_is_ignored(folder: Path, tmp_path: Path) -> None:
    torch.save(Bomb(tmp_path / "opened"), folder / "pytorch_model.bin")
    load_base(str(folder), torch.float32)
    assert not (tmp_path / "opened").exists()


def test_no_weights_at_all(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "no weights" in refusal(folder)


@pytest.mark.parametrize("keep", [0, 4, 2000, -100])
def test_damaged_weights(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "damaged" in refusal(folder)


def test_a_missing_tensor_is_not_made_up(folder: Path) -> None:
    """transformers would fill it with random numbers and go on."""
    edit_weights(folder, lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))
    assert "model.layers.1.mlp.up_proj.weight" in refusal(folder)


def test_a_tensor_of_another_shape(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update({"lm_head.weight": torch.zeros(50, 32)}))
    assert "other shapes" in refusal(folder)


def test_a_config_that_is_no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    assert "not a valid JSON" in refusal(folder)


def test_an_unknown_architecture(folder: Path) -> None:
    edit_config(folder, model_type="nonesuch")
    assert "nonesuch" in refusal(folder)


def test_a_model_that_writes_no_text(folder: Path) -> None:
    edit_config(folder, model_type="vit")
    assert "vit" in refusal(folder).lower()


@pytest.mark.parametrize("name", ["Llama", "Qwen2", "GPT2", "Gemma2", "Cohere"])
def test_a_missing_tokenizer(tmp_path: Path, name: str) -> None:
    """Some classes would come up empty instead, and turn every text into nothing."""
    tiny(name).save_pretrained(tmp_path)
    assert "tokenizer is missing" in refusal(tmp_path)
    with pytest.raises(ModelError, match="tokenizer is missing"):
        load_tokenizer(str(tmp_path))


def test_foreign_code_is_not_run(folder: Path, tmp_path: Path) -> None:
    edit_config(folder, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    message = refusal(folder)
    assert "not run" in message and "trust_remote_code" in message
    with pytest.raises(ModelError):
        load_config(str(folder))
    assert not (tmp_path / "ran").exists()


def test_fresh_weights_come_from_the_seed(whole: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (random_base(str(whole), torch.float32, seed).model for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state()), "the caller's random state is its own"
    assert torch.equal(one.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)


@pytest.mark.parametrize("load", [load_base, lambda name, dtype: random_base(name, dtype, 0)])
def test_bfloat16_leaves_the_rotary_frequencies_in_float32(whole: Path, load: Callable) -> None:
    """Rounded frequencies move every position a little; model.to(bfloat16) would round them."""
    model = load(str(whole), torch.bfloat16).model
    assert all(p.dtype == torch.bfloat16 for p in model.parameters())
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32


def test_tied_weights_stay_tied_in_bfloat16(folder: Path) -> None:
    model = random_base(str(Path(tiny_tied(folder))), torch.bfloat16, 0).model
    assert model.lm_head.weight is model.model.embed_tokens.weight


def tiny_tied(folder: Path) -> Path:
    edit_config(folder, tie_word_embeddings=True)
    return folder


def test_the_context_is_what_every_row_can_use_whatever_its_neighbours() -> None:
    """LongRoPE and dynamic positions stretch for a whole batch when one row in it is long."""
    assert context_of(config_of("Llama")) == 64
    assert context_of(config_of("GPT2")) == 64
    assert context_of(AutoConfig.for_model("bloom")) == 1024
    dynamic = {"rope_type": "dynamic", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 10000.0}
    assert context_of(config_of("Llama", rope_parameters=dynamic)) == 16
    yarn = dynamic | {"rope_type": "yarn"}
    assert context_of(config_of("Llama", rope_parameters=yarn)) == 64
