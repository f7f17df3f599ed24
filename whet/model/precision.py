"""The device of this machine, and which dtype is faster on it: measured once on a matrix product of the model's own
size, and kept."""

from __future__ import annotations

import math
import time
from typing import Literal

import torch

from whet.model.accelerator import computes_bfloat16, is_processor
from whet.planning.dtype_choice import keep_choice, known_choice
from whet.planning.machine import Dtype

EMULATED = "this GPU has no units for bfloat16 and would emulate it, slower than float32"
Wanted = Literal["auto", "float32", "bfloat16"]


def device() -> torch.device:
    """Where models live here: the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_dtype(wanted: Wanted, hidden_size: int, device: torch.device) -> tuple[torch.dtype, str]:
    """The dtype to train in, and the reason in words."""
    emulated = not is_processor(device) and not computes_bfloat16(device)
    if wanted != "auto":
        if wanted == "bfloat16" and emulated:
            slow = f", though {EMULATED}"
        else:
            slow = ""
        return getattr(torch, wanted), f"asked for in the recipe{slow}"
    if not is_processor(device):
        if emulated:
            return (torch.float32, EMULATED)
        return (torch.bfloat16, "this GPU has units for bfloat16")

    chosen = known_choice(hidden_size)
    if chosen is None:
        chosen = keep_choice(hidden_size, *_faster(hidden_size))
    return getattr(torch, chosen[0]), chosen[1]


def _faster(hidden_size: int) -> tuple[Dtype, str]:
    single = _milliseconds(torch.float32, hidden_size)
    half = _milliseconds(torch.bfloat16, hidden_size, hopeless=HOPELESS * single)
    reason = f"measured: {single:.2f} ms in float32, {half:.2f} ms in bfloat16 for a {ROWS} x {hidden_size} product"
    return ("bfloat16" if half < 0.8 * single else "float32"), reason


ROWS = 2048
HOPELESS = 5.0
"""A dtype that takes this many times as long is not measured on: emulated bfloat16 cost a second at every start."""


def _milliseconds(dtype: torch.dtype, size: int, hopeless: float = math.inf) -> float:
    """Best of five: the least disturbed measurement is the machine's. Of fewer where two take longer than `hopeless`
    milliseconds."""
    left, right = torch.randn(ROWS, size).to(dtype), torch.randn(size, 3 * size).to(dtype)
    times = []
    for _ in range(6):
        begin = time.perf_counter()
        torch.mm(left, right)
        times.append(1000 * (time.perf_counter() - begin))
        if len(times) > 1 and min(times) > hopeless:
            break

    return min(times[1:])
