"""A tuned model that does not answer as it did in training is not served."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import openai
import pytest
import torch

from tests.server.inference.conftest import Served
from whet.data.render.renderer import Renderer
from whet.generation.engine import Sampling, generate
from whet.model.base import load_base
from whet.model.saved_model import GOLDEN, sums_of_weights
from whet.store.checksums import seal
from whet.store.run import Run


def changed_scale(folder: Path) -> None:
    """The adapter counts twice, and all checksums say that this is so."""
    path = folder / "model" / "adapter_config.json"
    config = json.loads(path.read_text("utf-8"))
    config["lora_alpha"] *= 2
    path.write_text(json.dumps(config), "utf-8")
    seal(folder / "model")


def other_weights(folder: Path) -> None:
    path = folder / "model" / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def other_base(folder: Path) -> None:
    path = folder / "model" / "whet.json"
    facts = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(facts | {"base_fingerprint": "0" * 64}), "utf-8")
    seal(folder / "model")


def other_template(folder: Path) -> None:
    path = folder / "model" / "chat_template.jinja"
    path.write_text(path.read_text("utf-8").replace("<|assistant|>", "<|user|>"), "utf-8")
    seal(folder / "model")


@pytest.mark.parametrize(
    ("spoil", "word"),
    [(changed_scale, "fraction"), (other_weights, "weights"), (other_base, "base"), (other_template, "template")],
)
def test_what_is_not_proved_is_not_served(
    served: Served, tmp_path: Path, spoil: Callable[[Path], Any], word: str
) -> None:
    folder = Path(copytree(served.tuned.folder, tmp_path / "spoiled"))
    spoil(folder)
    name = f"ft:nano:default:bad:{spoil.__name__}"
    served.own(name, folder)
    ask = {"model": name, "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}
    for _ in range(2):  # and it stays so
        with pytest.raises(openai.InternalServerError) as told:
            served.client().chat.completions.create(**ask)
        assert (told.value.status_code, told.value.code) == (503, "model_not_proved")
        assert word in str(told.value), told.value
        assert str(tmp_path) not in str(told.value)


def test_a_copy_that_is_sound_is_served(served: Served, tmp_path: Path) -> None:
    folder = Path(copytree(served.tuned.folder, tmp_path / "sound"))
    seal(folder / "model")
    served.own("ft:nano:default:good:sound", Run(folder).model)
    answer = served.client().chat.completions.create(
        model="ft:nano:default:good:sound", messages=[{"role": "user", "content": "a"}], max_tokens=2
    )
    assert answer.choices


def test_a_model_of_whole_weights_has_a_host_of_its_own(served: Served, tmp_path: Path) -> None:
    base = load_base("nano", torch.float32)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for parameter in base.model.parameters():
            parameter += 0.15 * parameter.std() * torch.randn_like(parameter)
    base.model.save_pretrained(tmp_path)
    base.tokenizer.save_pretrained(tmp_path)
    renderer = Renderer(base.tokenizer)
    facts = {
        "base": "nano", "base_fingerprint": "", "adapter": "full", "dtype": "float32", "seed": 0, "method": "sft",
        "from_scratch": False, "clock": "2026-01-01T00:00:00", "golden_prompt": GOLDEN,
        "golden_ids": renderer.prompt_ids(GOLDEN), "weights_sha256": sums_of_weights(tmp_path),
    }  # fmt: skip
    (tmp_path / "whet.json").write_text(json.dumps(facts), "utf-8")
    seal(tmp_path)

    served.own("ft:nano:default:whole:abc", tmp_path)
    question = [{"role": "user", "content": "Where is order 48213?"}]
    ask: dict[str, Any] = {"messages": question, "temperature": 0, "max_tokens": 12}
    client = served.client()
    whole = client.chat.completions.create(model="ft:nano:default:whole:abc", **ask)
    (own,) = generate(
        base.model, base.tokenizer, [renderer.prompt_ids(question)], renderer.stop_ids, Sampling(max_new_tokens=12)
    )
    assert whole.choices[0].message.content == own.text
    plain = client.chat.completions.create(model="nano", **ask)
    assert plain.choices[0].message.content != own.text
