"""LoRA through PEFT: it owns configs, injection and file format, so that adapters load anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from whet.errors import ModelError
from whet.recipe.schema import Full, Lora


def add_adapter(model: Any, adapter: Lora | Full, seed: int) -> Any:
    """Return the model ready to train: adapters injected over a frozen base, or every weight trainable.

    The result is a PeftModel for LoRA and the model itself for full fine-tuning. Adapter weights take the dtype of
    the base; the optimiser keeps their float32 originals (whet/train/optim.py).
    """
    if isinstance(adapter, Full):
        model.requires_grad_(True)
        return model
    from peft import LoraConfig, get_peft_model

    assert adapter.rank is not None and adapter.alpha is not None  # the rules filled them
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]
        lora_dropout=adapter.dropout,
        target_modules=adapter.targets,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            return get_peft_model(model, config, autocast_adapter_dtype=False)
        except ValueError as error:
            raise ModelError(
                "no module of the base matches the adapter's targets",
                where="adapter.targets",
                value=adapter.targets,
                fix=f"use all-linear, or names such as {', '.join(linear_names(model)[:6])}",
            ) from error


def load_adapter(model: Any, folder: Path) -> Any:
    """Put the adapter of `folder` over `model`. Every tensor of the file must find its place."""
    from peft import PeftModel
    from safetensors import safe_open

    weights = folder / "adapter_model.safetensors"
    if not weights.is_file():
        raise ModelError("adapter_model.safetensors is missing", where=str(folder), fix="give the model/ folder of a run")
    loaded = PeftModel.from_pretrained(model, str(folder), autocast_adapter_dtype=False)
    loaded.to(next(model.parameters()).dtype)
    with safe_open(weights, framework="pt") as file:
        expected = len(list(file.keys()))
    placed = sum(1 for name, _ in loaded.named_parameters() if "lora_" in name)
    if placed < expected:
        raise ModelError(
            f"the adapter holds {expected} tensors but only {placed} found a place in this base",
            where=str(folder),
            fix="use the base that the adapter was trained on",
        )
    loaded.eval()
    return loaded


@contextmanager
def without_adapter(model: Any) -> Iterator[None]:
    """Within this block the model answers as its base (only for models with an adapter)."""
    with model.disable_adapter():
        yield


def is_adapted(model: Any) -> bool:
    return hasattr(model, "peft_config")


def causal_lm(model: Any) -> Any:
    """The transformers model inside, whatever wraps it."""
    return model.get_base_model() if is_adapted(model) else model


def linear_names(model: Any) -> list[str]:
    """Last parts of the names of linear layers, for messages."""
    return sorted({name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)})
