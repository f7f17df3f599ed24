"""Every method on a GPU that is played by the processor (tests/stand_in.py): what mixes the two sides fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

import whet
from tests.notes import Notes
from tests.stand_in import Device, stand_in
from whet import api
from whet.errors import RecipeError
from whet.model.accelerator import TF32_SAID
from whet.model.base import load_base, load_config, load_tokenizer
from whet.model.precision import choose_dtype, device
from whet.observer import Silent
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe

CODES = [n * 37 % 1000 for n in range(24)]
ROWS: dict[str, list[dict[str, Any]]] = {
    "sft": [{"prompt": f"Say {n}.", "completion": f"It is {n}."} for n in CODES],
    "pairs": [{"prompt": f"Say {n}.", "chosen": f"It is {n}.", "rejected": "No."} for n in CODES],
    "marks": [{"prompt": f"Say {n}.", "completion": f"It is {n}.", "label": n % 3 > 0} for n in CODES],
    "classes": [{"text": f"The code {n}.", "label": "odd" if n % 2 else "even"} for n in CODES],
    "text": [{"text": " ".join(f"Code {n} is {n + place}." for n in CODES[:6])} for place in range(20)],
    "prompts": [{"prompt": f"Say {n}.", "answer": str(n)} for n in CODES],
}
FEW = {"prompts": 2, "samples": 2, "max_new_tokens": 3, "rewards": "exact"}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "sft": ("sft", {}),
    "full": ("sft", {"adapter": {"kind": "full"}, "optimizer": {"state": "bfloat16"}}),
    "pretrain": ("text", {"method": {"kind": "pretrain", "context": 32}}),
    "dpo": ("pairs", {"method": "dpo"}),
    "reward": ("pairs", {"method": "reward"}),
    "kto": ("marks", {"method": "kto"}),
    "classify": ("classes", {"method": "classify"}),
    "grpo": ("prompts", {"method": {"kind": "grpo"} | FEW}),
    "ppo": ("prompts", {"method": {"kind": "ppo"} | FEW}),
    "distil": ("prompts", {"method": {"kind": "distil", "prompts": 2, "max_new_tokens": 3}}),
}


@pytest.fixture
def gpu() -> Iterator[Device]:
    with stand_in() as device:
        yield device


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gpu")
    for name, rows in ROWS.items():
        (made / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    save_tiny_base(made / "base")
    save_tiny_base(made / "teacher", seed=1)
    return made


def save_tiny_base(folder: Path, seed: int = 0) -> None:
    """The bundled base's tokenizer over a random Llama of one narrow layer: each operation costs time here."""
    config = load_config("nano")
    config.update({"num_hidden_layers": 1, "hidden_size": 48, "intermediate_size": 64, "head_dim": 8})
    torch.manual_seed(seed)
    LlamaForCausalLM(config).save_pretrained(folder)
    load_tokenizer("nano").save_pretrained(folder)


def recipe_of(folder: Path, rows: str, **more: Any) -> Recipe:
    """A small tune of the tiny base; short answers, no measurement beside the task."""
    small: dict[str, Any] = {
        "data": str(folder / f"{rows}.jsonl"),
        "base": str(folder / "base"),
        "steps": 2,
        "keep": False,
        "dtype": "float32",
        "split": {"test": 4, "validation": 4, "near_duplicates": False},
        "evaluate": {"forgetting": False, "max_new_tokens": 3},
    }
    return load_recipe(small | more)


class Stops(Silent):
    """Ends the run in the middle of its training."""

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        if step == 2 and "loss" in facts:
            raise KeyboardInterrupt


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(str(run / "model" / "adapter_model.safetensors"))


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_and_is_measured_on_a_device(folder: Path, tmp_path: Path, gpu: Device, method: str) -> None:
    rows, settings = METHODS[method]
    if method == "distil":
        settings = {"method": settings["method"] | {"teacher": str(folder / "teacher")}}
    result = whet.tune(recipe_of(folder, rows, **settings), run_root=tmp_path, name="r")
    assert result["verdict"]["word"] in ("better", "worse", "no-difference", "undecided")
    assert result["peak_memory_bytes"] == 123_456_789, "the device's own peak, not the process's"
    assert result["peak_memory_of"] == "cuda"
    check = json.loads((tmp_path / "r" / "selfcheck.json").read_text())
    assert check["path"] == "forest" and check["loss_difference"] < 1e-5
    products = {"mm", "addmm", "bmm", "_scaled_dot_product_flash_attention_for_cpu"}
    assert len(gpu.seen & products) >= 2 and gpu.operations > 1000, "it really ran there"


def test_the_result_is_that_of_the_processor(folder: Path, tmp_path: Path) -> None:
    """The same operations in the same order, so that moving tensors loses and changes nothing."""
    recipe = recipe_of(folder, "sft", attention="forest")
    with stand_in():
        api.train(recipe, run_root=tmp_path, name="device")
    api.train(recipe, run_root=tmp_path, name="processor")
    there, here = weights(tmp_path / "device"), weights(tmp_path / "processor")
    assert there.keys() == here.keys()
    for name in here:
        torch.testing.assert_close(there[name], here[name], rtol=1e-5, atol=1e-7)


def test_stopped_and_resumed_on_a_device_is_as_never_stopped(folder: Path, tmp_path: Path, gpu: Device) -> None:
    recipe = recipe_of(folder, "sft", steps=3, checkpoint_every=1, adapter={"kind": "lora", "dropout": 0.1})
    api.train(recipe, run_root=tmp_path / "whole", name="r")
    with pytest.raises(KeyboardInterrupt):
        api.train(recipe, run_root=tmp_path / "stopped", name="r", observer=Stops())
    with safe_open(tmp_path / "stopped" / "r" / "checkpoints" / "last" / "state.safetensors", "pt") as state:
        assert "random/cuda" in state.keys(), "dropout draws on the device"
    notes = Notes()
    api.train(recipe, run_root=tmp_path / "stopped", name="r", observer=notes)
    assert any("resumed at step 1" in note for note in notes.notes)
    whole, resumed = weights(tmp_path / "whole" / "r"), weights(tmp_path / "stopped" / "r")
    assert whole.keys() == resumed.keys() and all(whole[name].equal(resumed[name]) for name in whole)


def test_chat_answers_from_a_device(gpu: Device) -> None:
    session = whet.chat("nano")
    assert "".join(session.reply([{"role": "user", "content": "Say the code 48213."}]))
    assert session.model.device.type == "cuda" and gpu.operations > 1000


def test_a_base_goes_straight_to_the_device(folder: Path, gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to the processor first, from where a whole model would be moved."""
    monkeypatch.setattr(torch.nn.Module, "to", lambda *_: pytest.fail("it was moved as a whole"))
    base = load_base(str(folder / "base"), torch.float32, where=device())
    assert {tensor.device.type for tensor in (*base.model.parameters(), *base.model.buffers())} == {"cuda"}
    beside = load_base(str(folder / "base"), torch.float32)
    assert base.fingerprint == beside.fingerprint, "the same weights have one name on either side"


@pytest.mark.slow
def test_replay_and_what_was_forgotten_are_read_on_a_device(folder: Path, tmp_path: Path, gpu: Device) -> None:
    recipe = recipe_of(folder, "sft", keep={"replay": "base"}, evaluate={"forgetting": True, "max_new_tokens": 4})
    result = whet.tune(recipe, run_root=tmp_path, name="r")
    assert result["forgetting"]["measures"] and result["ledger"]["replay"]


@pytest.mark.slow
def test_the_other_verbs_run_on_a_device(folder: Path, tmp_path: Path, gpu: Device) -> None:
    for kind, more in (("rloo", FEW), ("bake", {"prompt": "Be brief."})):
        recipe = recipe_of(folder, "prompts", method={"kind": kind} | more)
        assert whet.tune(recipe, run_root=tmp_path, name=kind)["peak_memory_of"] == "cuda"
    whet.tune(recipe_of(folder, "sft", keep={"replay": None, "scale": "auto"}), run_root=tmp_path, name="r")
    assert json.loads((tmp_path / "r" / "frontier.json").read_text())["scale"] <= 1
    assert api.compare(recipe_of(folder, "sft"), run_root=tmp_path)
    assert api.failures("r", run_root=tmp_path)
    assert "".join(whet.chat("r", run_root=tmp_path).reply([{"role": "user", "content": "Say 5."}])) is not None


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_taken_where_the_device_computes_it(native: bool, dtype: torch.dtype) -> None:
    """A T4 and a V100 say that they support it, and emulate it: they are asked whether they compute it."""
    asked: dict[str, Any] = {}

    def supported(**kwargs: Any) -> bool:
        asked.update(kwargs)
        return native

    with stand_in(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_bf16_supported", supported)
        chosen, reason = choose_dtype("auto", 64, device())
        _, wanted = choose_dtype("bfloat16", 64, device())
    assert chosen == dtype and asked == {"including_emulation": False}
    assert ("would emulate it" in reason) == ("would emulate it" in wanted) == (not native)


def test_one_training_on_a_device_and_its_evaluation_without(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TF32 is for the steps alone, and said. A micro-batch is planned for the device, for narrow bases, too: the
    constant would leave most of a GPU idle. The peak of a device is not mixed with that of a process."""
    set_to: list[str] = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", set_to.append)
    notes = Notes()
    with stand_in():
        recipe = recipe_of(folder, "sft", tf32=True, steps=1, batch_tokens=60_000)
        api.train(recipe, run_root=tmp_path, name="r", observer=notes)
        assert set_to == ["high", "highest"] and TF32_SAID in notes.notes
    choices = json.loads((tmp_path / "r" / "choices.json").read_text())
    micro = next(choice for choice in choices if choice["key"] == "micro_batch_tokens")
    assert micro["value"] == 32_768 and "whet plan" in micro["reason"]
    monkeypatch.setattr("whet.training.session.refuse_no_tf32", lambda *_: None)  # the run goes on elsewhere
    result = api.evaluate("r", run_root=tmp_path)
    assert result["peak_memory_bytes"] == 123_456_789 and result["peak_memory_of"] == "cuda"


def test_tf32_is_refused_where_nothing_multiplies_so(folder: Path, tmp_path: Path) -> None:
    with stand_in(get_device_capability=(7, 5)), pytest.raises(RecipeError, match="older than that"):
        api.train(recipe_of(folder, "sft", tf32=True), run_root=tmp_path, name="old")
    with pytest.raises(RecipeError, match="this machine has no GPU"):
        api.train(recipe_of(folder, "sft", tf32=True), run_root=tmp_path, name="none")
