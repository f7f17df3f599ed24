"""How fast this machine multiplies matrices and moves memory, and how much the program itself takes; a few seconds."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import silu
from transformers import AutoConfig, AutoModelForCausalLM

from whet.building import building
from whet.data.batches.forest import build_batch
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import fuse, install_forest
from whet.model.policy import Policy
from whet.planning.machine import Calibration, Dtype, machine_facts
from whet.planning.memory import Setting
from whet.planning.model_shape import read_shape
from whet.planning.time import step_seconds
from whet.recipe.schema import Lora
from whet.store.memory_and_cores import resident
from whet.types import Segment

ROWS, SIZES, ROUNDS = 1024, (192, 384, 768, 1536), 5
LONG = 1.0
"""Seconds of rounds after which no more are made: bfloat16 on a processor without units for it takes long."""
DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")
MOVED = 16 * 1024 * 1024
"""Numbers of an element-wise trial: larger than any cache."""


TRIED = {192: 512, 576: 1536}
"""Hidden sizes, and widths of the MLP, of the small models that are timed whole: those of nano and of SmolLM2-135M."""
LAYERS, TRIED_ROWS, TRIED_LENGTH, RANK = 2, 4, 64, 16
WRITTEN = 64 * 1024 * 1024
"""Bytes of the file that is written to see how fast the disk is."""


def calibrate(written: Callable[[Any], float], answers: int) -> Calibration:
    """Measure on the processor. `written` gives the seconds in which a model writes a token of each of so many
    answers."""
    process, start = _program()
    _train_once()

    products: dict[Dtype, dict[int, float]] = {}
    for dtype in DTYPES:
        products[dtype] = {size: _product_rate(dtype, size) for size in SIZES}

    bandwidth: dict[Dtype, float] = {dtype: _bandwidth(dtype) for dtype in DTYPES}
    known = Calibration(machine_facts(), process, products, bandwidth, {}, {}, start, _disk())
    training: dict[Dtype, dict[int, float]] = {}

    writing: dict[Dtype, tuple[float, float]] = {}
    for dtype in DTYPES:
        models = {hidden: small_model(hidden, dtype) for hidden in TRIED}
        writing[dtype] = _pace({hidden: written(model) for hidden, model in models.items()}, answers)
        training[dtype] = {hidden: _excess(model, dtype, known) for hidden, model in models.items()}

    return replace(known, training=training, writing=writing)


def small_model(hidden: int, dtype: Dtype) -> Any:
    """Two layers in the proportions of nano and SmolLM2, with hardly any vocabulary."""
    size = 32 if hidden < 256 else 64
    heads = hidden // size
    config = AutoConfig.for_model(
        "llama", vocab_size=256, hidden_size=hidden, intermediate_size=TRIED[hidden], num_hidden_layers=LAYERS,
        num_attention_heads=heads, num_key_value_heads=max(1, heads // 3), head_dim=size, tie_word_embeddings=True,
    )  # fmt: skip
    with building():
        model = AutoModelForCausalLM.from_config(config)
    model = model.to(getattr(torch, dtype)).eval()
    install_forest(model)

    return model


def _pace(seconds: dict[int, float], answers: int) -> tuple[float, float]:
    """Seconds a layer whatever its size, and operations a second: the line t = o + 2 W B / r through two sizes."""
    (few, short), (many, long) = ((_layer_weights(hidden), time / LAYERS) for hidden, time in sorted(seconds.items()))
    slope = max(1e-15, (long - short) / (2 * answers * (many - few)))
    return max(0.0, short - slope * 2 * answers * few), 1 / slope


def _layer_weights(hidden: int) -> int:
    """Weights of a layer of `small_model`: four maps of attention, keys and values of a third of the heads; the MLP."""
    size = 32 if hidden < 256 else 64
    keys = max(1, hidden // size // 3) * size
    return hidden * (2 * hidden + 2 * keys + 3 * TRIED[hidden])


def _excess(model: Any, dtype: Dtype, known: Calibration) -> float:
    """How many times longer the layers of a model take, forwards and backwards with a LoRA, than is planned."""
    shape, tokens = read_shape(model.config.to_dict()), TRIED_ROWS * TRIED_LENGTH
    policy = Policy(add_adapter(model, Lora(rank=RANK, alpha=32.0), 0))
    fuse(policy.model)
    row = list(range(TRIED_LENGTH))
    batch = build_batch([Segment(row, [0.0] + [1.0] * (TRIED_LENGTH - 1), n) for n in range(TRIED_ROWS)])
    setting = Setting(tokens, TRIED_LENGTH, rank=RANK, bytes_a_number=4 if dtype == "float32" else 2)
    planned = step_seconds(shape, setting, tokens, known) - step_seconds(shape, setting, 0, known)

    return _best(lambda: policy.logprobs(batch).sum().backward()) / planned


def _disk() -> float:
    """Bytes a second of a file that is written where temporary files lie."""
    with tempfile.TemporaryDirectory() as folder:
        numbers, file = bytes(WRITTEN), Path(folder) / "numbers"
        return WRITTEN / _best(lambda: file.write_bytes(numbers))


def _program() -> tuple[int, float]:
    """Bytes of a fresh process that has checked some rows and trained a little (this one may hold anything besides),
    and its seconds until then. Raises CalledProcessError."""
    script = "import sys; from whet import api; from whet.model.machine_speed import bytes_after_training as held; "
    script += "api.check(sys.argv[1], run_root=sys.argv[2]); print(held())"
    began = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        rows.write_text("".join(f'{{"prompt": "What is {n}?", "completion": "It is {n}."}}\n' for n in range(100)))
        command = [sys.executable, "-c", script, str(rows), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)

    return int(done.stdout.splitlines()[-1]), time.perf_counter() - began


def bytes_after_training() -> int:
    """What this process holds once it has trained a little."""
    _train_once()
    return resident()


def _train_once() -> None:
    """One step of a model of a few thousand weights: libraries and kernels are loaded at their first use."""
    config = AutoConfig.for_model(
        "llama", vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    for dtype in DTYPES:
        with building():
            model = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
        install_forest(model)
        policy = Policy(add_adapter(model, Lora(rank=2, alpha=4.0), 0))
        fuse(policy.model)
        batch = build_batch([Segment(list(range(32)), [0.0] + [1.0] * 31, 0)])
        policy.logprobs(batch).sum().backward()


def _product_rate(dtype: Dtype, size: int) -> float:
    left, right = (torch.randn(n, size).to(getattr(torch, dtype)) for n in (ROWS, size))
    return 2 * ROWS * size * size / _best(lambda: torch.mm(left, right)) / 1e9


def _bandwidth(dtype: Dtype) -> float:
    """Of the activation, which stands for the other element-wise operations: in bfloat16 they wait for arithmetic."""
    numbers = torch.ones(MOVED, dtype=getattr(torch, dtype))
    return 2 * MOVED * numbers.element_size() / _best(lambda: silu(numbers, inplace=True))


def _best(work: Callable[[], object]) -> float:
    """Seconds of the least disturbed of a few rounds, or of fewer where they are long; the first one, which makes
    kernels, is not counted."""
    work()
    seconds: list[float] = []
    while len(seconds) < ROUNDS and sum(seconds) < LONG:
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)

    return min(seconds)
