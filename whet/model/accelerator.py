"""What a device beside the processor is asked for: its memory, its random state, whether it is done; and how it
multiplies.

The device's module of torch (`torch.cuda` for a GPU) answers. A processor has no memory of its own: what a process
takes there is asked of the system (whet/store/memory_and_cores.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from whet.errors import RecipeError
from whet.planning.machine import available_memory
from whet.store.container import memory_limit
from whet.store.memory_and_cores import all_memory as machine_memory
from whet.store.memory_and_cores import peak_resident

TF32_SINCE = (8, 0)
"""The first generation of GPUs with units for TF32 (NVIDIA A100)."""
TF32_SAID = (
    "tf32: steps and validations multiply float32 numbers in TF32, rounded to 10 bits; the self-check before them and "
    "the evaluation after them do not"
)


def is_processor(device: torch.device) -> bool:
    return device.type == "cpu"


def module_of(device: torch.device) -> Any:
    """torch.cuda for a GPU."""
    return torch.get_device_module(device.type)


def wait_for(device: torch.device) -> None:
    """Until the device has done all it was asked to do; a processor always has."""
    if not is_processor(device):
        module_of(device).synchronize(device)


def free_memory(device: torch.device) -> int:
    """Bytes that a new tensor may take there now."""
    if is_processor(device):
        return available_memory()
    return int(module_of(device).mem_get_info(device)[0])


def all_memory(device: torch.device) -> int:
    """Bytes of the device, whatever is free of them; of a machine what a container leaves to this process."""
    if not is_processor(device):
        return int(module_of(device).mem_get_info(device)[1])
    limit = memory_limit()
    if limit is None:
        return machine_memory()
    return min(machine_memory(), limit)


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors have held on the device since `forget_peak`; on a processor, that the process has
    held since it began."""
    if is_processor(device):
        return peak_resident()
    return int(module_of(device).max_memory_allocated(device))


def forget_peak(device: torch.device) -> None:
    """Count the peak from now on. A processor's system counts over the life of the process."""
    if not is_processor(device):
        module_of(device).reset_peak_memory_stats(device)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """By the kind of device: the processor's own generator and, beside it, the device's."""
    states = {"cpu": torch.get_rng_state()}
    if not is_processor(device):
        states[device.type] = module_of(device).get_rng_state(device)
    return states


def restore_random(device: torch.device, states: dict[str, Tensor]) -> None:
    """Inverse of `random_states`; what is of a device that is not here is left."""
    torch.set_rng_state(states["cpu"])
    if not is_processor(device) and device.type in states:
        module_of(device).set_rng_state(states[device.type], device)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a GPU has units for it: torch emulates it on those before 2020 (T4, V100), at a fraction of float32's
    speed."""
    return bool(module_of(device).is_bf16_supported(including_emulation=False))


def refuse_no_tf32(wanted: bool, device: torch.device) -> None:
    """Raises RecipeError where products in TF32 are asked for and nothing here makes them."""
    if not wanted or (device.type == "cuda" and module_of(device).get_device_capability(device) >= TF32_SINCE):
        return

    if is_processor(device):
        here = "this machine has no GPU"
    else:
        here = "the GPU of this machine is older than that"

    raise RecipeError(
        f"only GPUs from NVIDIA's A100 on multiply in TF32, and {here}", where="tf32", value=True, fix="leave it out"
    )


@contextmanager
def products_in_tf32(wanted: bool) -> Iterator[None]:
    """Within this block matrix products of float32 may be made in TF32: 10 bits of each factor, sums in float32."""
    before = torch.get_float32_matmul_precision()
    if wanted:
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
