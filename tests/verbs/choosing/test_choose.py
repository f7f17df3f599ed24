"""`choose` where the right answer is known: by what the bases can, by what a server costs, by labels that say nothing."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.chat_server import Server, said, serving
from tests.evaluation.opponents.made_up_messages import messages, write
from tests.measured_machine import measured_before
from whet import api
from whet.cli.main import run as command
from whet.errors import InputError, ModelError
from whet.model.base import NANO
from whet.store.reading import read_lines

SHORT: dict[str, Any] = {
    "evaluate.forgetting": False,
    "evaluate.max_new_tokens": 4,
    "evaluate.against": "[base]",
    "split.test": 24,
    "split.validation": 24,
    "dtype": "float32",
    "keep": False,
    "method": "sft",
}


@pytest.fixture(scope="module", autouse=True)
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        measured_before(tmp_path_factory.mktemp("cache"), patch)
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    yield from serving()


def changed(folder: Path, change: Callable[[dict[str, torch.Tensor], dict[str, Any]], None]) -> str:
    """A copy of nano with other weights."""
    shutil.copytree(NANO, folder)
    weights, config = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    change(weights, config)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def blinded(weights: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """All tokens look alike, so that it can learn nothing."""
    embedding = weights["model.embed_tokens.weight"]
    alike = embedding.float().mean(0, keepdim=True).expand_as(embedding)
    weights["model.embed_tokens.weight"] = alike.to(embedding.dtype).contiguous()


def enlarged(weights: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """Two more layers that change nothing: it answers as nano does, and takes more."""
    for name in [name for name in weights if name.startswith("model.layers.5.")]:
        for layer in (6, 7):
            silent = name.endswith(("o_proj.weight", "down_proj.weight"))
            copied = weights[name]
            weights[name.replace(".5.", f".{layer}.")] = torch.zeros_like(copied) if silent else copied.clone()
    config["num_hidden_layers"] = 8


def right_answers(server: Server, rows: list[dict[str, Any]]) -> None:
    """The server knows every answer, and counts ten tokens of a prompt and one of an answer."""
    known = {row["prompt"]: row["completion"] for row in rows}
    usage = {"prompt_tokens": 10, "completion_tokens": 1}

    def reply(number: int) -> tuple[int, Any]:
        question = server.asked[number][2]["messages"][-1]["content"]
        answer = next((answer for prompt, answer in known.items() if prompt in question), "?")
        return 200, said(answer) | {"usage": usage}

    server.reply = reply


@pytest.fixture(scope="module")
def spam(tmp_path_factory: pytest.TempPathFactory, server: Server) -> tuple[Path, str, list[str], dict[str, Any]]:
    """nano learns it, the blinded one does not, and a server knows it: chosen at a small volume."""
    folder = tmp_path_factory.mktemp("spam")
    rows = messages(120, spam=0.5)
    data = str(write(folder / "spam.jsonl", rows))
    right_answers(server, rows)
    bases = ["nano", changed(folder / "blinded", blinded), f"{server.url}#big@1/2"]
    return folder, data, bases, choose(folder, data, bases, answers_per_month=1000)


def choose(folder: Path, data: str, bases: list[str], **given: Any) -> dict[str, Any]:
    given = {"price_per_hour": 0.01, "hours": 1.0, "steps": 24, **given}
    return api.choose(
        data, bases, run_root=folder / "runs", **given, **{k: v for k, v in SHORT.items() if k not in given}
    )


def test_a_server_as_it_is_wins_at_a_small_volume(spam: tuple[Path, str, list[str], dict[str, Any]]) -> None:
    found = spam[3]
    chosen = found["chosen"]
    assert (chosen["base"], chosen["way"], chosen["run"]) == (spam[2][2], "api", None)
    assert found["worth_it"] and "do not tune" in found["reason"] and found["verdict"]["score"] == 1.0
    server, nano = found["candidates"][2], found["candidates"][0]
    assert server["cost"]["usd_per_1000"] == pytest.approx(1000 * (10 * 1 + 1 * 2) / 1e6)
    assert nano["cost"]["usd_per_1000"] == pytest.approx(730 * 0.01)


def test_the_base_that_cannot_learn_leaves_by_measurement(spam: tuple[Path, str, list[str], dict[str, Any]]) -> None:
    nano, blind, server = spam[3]["candidates"]
    assert [rung["share"] for rung in nano["rungs"]] == [0.5, 1.0] and not nano["out"]
    assert [rung["share"] for rung in blind["rungs"]] == [0.5] and blind["out"] and "worse than nano" in blind["why"]
    assert nano["rungs"][1]["score"] > 0.9 and nano["licence"].startswith("Apache-2.0") and nano["context"] == 1024
    assert blind["licence"] == server["licence"] == "unknown" and server["rungs"] == []
    assert nano["cost"]["memory"] > 0 and nano["cost"]["hours"] > 0


@pytest.fixture(scope="module")
def many(spam: tuple[Path, str, list[str], dict[str, Any]]) -> tuple[dict[str, Any], int, int]:
    """The same at a volume at which a server costs more than a machine; requests to the server before and after."""
    folder, data, bases, _ = spam
    log = folder / "runs"
    before = sum(len(read_lines(path)) for path in log.glob("choices/*/big*/asked.jsonl"))
    found = choose(folder, data, bases, answers_per_month=10_000_000)
    return found, before, sum(len(read_lines(path)) for path in log.glob("choices/*/big*/asked.jsonl"))


def test_a_tuned_base_wins_at_a_large_volume(
    spam: tuple[Path, str, list[str], dict[str, Any]], many: tuple[dict[str, Any], int, int]
) -> None:
    found = many[0]
    assert (found["chosen"]["base"], found["chosen"]["way"]) == ("nano", "tuned") and found["worth_it"]
    evaluation = json.loads((spam[0] / "runs" / found["chosen"]["run"] / "evaluation.json").read_text())
    assert evaluation["verdict"]["word"] == found["verdict"]["word"] == "better"
    gain = found["candidates"][0]["rungs"][-1]["score"] - evaluation["tuned"]["score"]
    assert found["selection_gain"] == pytest.approx(gain)
