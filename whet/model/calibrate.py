"""How fast this machine multiplies matrices and moves memory, and how much the program itself takes; a few seconds."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn.functional import silu
from transformers import AutoConfig, AutoModelForCausalLM

from whet.data.forest import build_batch
from whet.model.adapter import add_adapter
from whet.model.fit import fuse, install_forest
from whet.model.policy import Policy
from whet.plan.machine import Calibration, Dtype, machine_facts
from whet.recipe.schema import Lora
from whet.types import Segment

ROWS, SIZES, ROUNDS = 1024, (192, 384, 768, 1536), 5
DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")
MOVED = 16 * 1024 * 1024
"""Numbers of an element-wise trial: larger than any cache."""


def calibrate() -> Calibration:
    """Measure on the processor."""
    process = _program_bytes()
    _train_once()
    products: dict[Dtype, dict[int, float]] = {}
    for dtype in DTYPES:
        products[dtype] = {size: _product_rate(dtype, size) for size in SIZES}
    return Calibration(machine_facts(), process, products, {dtype: _bandwidth(dtype) for dtype in DTYPES})


def _program_bytes() -> int:
    """Of a fresh process that has trained a little: this one may hold anything besides. Raises CalledProcessError."""
    script = "import whet.train.session; from whet.model.calibrate import bytes_after_training as b; print(b())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def bytes_after_training() -> int:
    """What this process holds once it has trained a little; 0 where the system does not say (outside of Linux)."""
    _train_once()
    return resident_bytes()


def _train_once() -> None:
    """One step of a model of a few thousand weights: libraries and kernels are loaded at their first use."""
    config = AutoConfig.for_model(
        "llama", vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    for dtype in DTYPES:
        model = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
        install_forest(model)
        policy = Policy(add_adapter(model, Lora(rank=2, alpha=4.0), 0))
        fuse(policy.model)
        batch = build_batch([Segment(list(range(32)), [0.0] + [1.0] * 31, 0)])
        policy.logprobs(batch).sum().backward()


def resident_bytes() -> int:
    """Memory that this process holds now; 0 where the system does not say (outside of Linux)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


def _product_rate(dtype: Dtype, size: int) -> float:
    left, right = (torch.randn(n, size).to(getattr(torch, dtype)) for n in (ROWS, size))
    return 2 * ROWS * size * size / _best(lambda: torch.mm(left, right)) / 1e9


def _bandwidth(dtype: Dtype) -> float:
    """Of the activation, which stands for the other element-wise operations: in bfloat16 they wait for arithmetic."""
    numbers = torch.ones(MOVED, dtype=getattr(torch, dtype))
    return 2 * MOVED * numbers.element_size() / _best(lambda: silu(numbers, inplace=True))


def _best(work: Callable[[], object]) -> float:
    """Seconds of the least disturbed of a few rounds; the first one, which makes kernels, is not counted."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
