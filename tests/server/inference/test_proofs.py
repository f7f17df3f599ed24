"""A tuned model that does not answer as it did in training is not served."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import openai
import pytest

from tests.server.inference.conftest import Served
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
