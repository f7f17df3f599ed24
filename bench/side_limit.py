"""Measures GFLOP/s of the 135M shape's own matrix products; limit.py says what follows from it.

python -m bench.side_limit build/bench limit limit
"""

from __future__ import annotations

import time

import torch

from bench.limit import LINEARS
from bench.measure import finish

TOKENS = 1536
"""About what eight rows of GSM8K hold."""
REPEATS = 15


def best_seconds(dtype: torch.dtype, outputs: int, inputs: int) -> float:
    """The fastest forward and the fastest backward product of one linear layer (T tokens, I inputs, O outputs)."""
    x_TI = torch.randn(TOKENS, inputs).to(dtype)
    dy_TO = torch.randn(TOKENS, outputs).to(dtype)
    w_OI = torch.randn(outputs, inputs).to(dtype)
    return _fastest(x_TI, w_OI.t()) + _fastest(dy_TO, w_OI)


def _fastest(left: torch.Tensor, right: torch.Tensor) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - began)
    return min(times)


def gflops(dtype: torch.dtype) -> float:
    seconds = sum(best_seconds(dtype, *shape) for shape in LINEARS)
    return sum(2 * 2 * TOKENS * outputs * inputs for outputs, inputs in LINEARS) / seconds / 1e9


if __name__ == "__main__":
    finish(
        gflops_bfloat16=gflops(torch.bfloat16),
        gflops_float32=gflops(torch.float32),
        settings=f"{torch.get_num_threads()} threads, {TOKENS} tokens",
    )
