"""How many tokens of a step are read at once, as the memory plan says (whet/planning/micro_batch.py)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch

from whet.errors import ModelError
from whet.model.accelerator import all_memory, is_processor
from whet.planning.adapter_size import Options
from whet.planning.machine import Dtype
from whet.planning.memory import BFLOAT, FLOAT, Setting
from whet.planning.micro_batch import largest_micro
from whet.planning.model_shape import ModelShape, read_shape
from whet.recipe.rules import LARGE_RANK
from whet.recipe.schema import Lora, Recipe

WIDE = 2048
"""On a processor narrower models keep a constant, so that their runs stay what they were."""


def planned_micro(
    recipe: Recipe, shape: ModelShape, longest: int, dtype: Dtype, device: Literal["cpu", "cuda"], memory: int
) -> int | None:
    """Tokens of the largest micro-batch that fits into `memory` bytes of a device, where the longest row has `longest`
    tokens; None where the constant of the rules stays."""
    if device == "cpu" and shape.hidden < WIDE:
        return None
    return largest_micro(shape, setting_of(recipe, longest, dtype, device), memory)


def micro_here(recipe: Recipe, config: Any, longest: int, dtype: torch.dtype, device: torch.device) -> int | None:
    """The same for the base of this config on this machine; None, too, for an architecture, or a module of it, that the
    plan does not know."""
    if dtype == torch.float32:
        name = "float32"
    else:
        name = "bfloat16"

    kind = "cpu" if is_processor(device) else "cuda"
    try:
        return planned_micro(recipe, read_shape(config.to_dict()), longest, name, kind, all_memory(device))
    except ModelError:
        return None


def setting_of(recipe: Recipe, longest: int, dtype: Dtype, device: Literal["cpu", "cuda"]) -> Setting:
    """One row at a time, as the recipe trains. A rank that is not yet chosen is the largest that the rules choose."""
    setting = Setting(
        tokens=longest,
        longest=longest,
        bytes_a_number=FLOAT if dtype == "float32" else BFLOAT,
        quantised=recipe.quantise is not None,
        recompute=recipe.recompute,
        optimizer=recipe.optimizer.kind,
        bf16_state=recipe.optimizer.state == "bfloat16",
        device=device,
    )
    if not isinstance(recipe.adapter, Lora):
        return setting

    adapter = recipe.adapter
    options = Options(tuple(adapter.rank_pattern.items()), adapter.dora, tuple(adapter.modules_to_save))
    return replace(setting, rank=adapter.rank or LARGE_RANK, targets=adapter.targets, options=options)
