"""A base in a folder, tried without its weights being read: will it load, fit its tokenizer, and carry the adapter?

transformers builds the model on torch's meta device, where tensors have a shape and no numbers, and finds each of them
in the files. So `whet check` can refuse in a second what a tune would refuse after it has read the data.
"""

from __future__ import annotations

from typing import Any

from whet.model.adapter import add_adapter
from whet.model.base import (
    load_config,
    load_tokenizer,
    load_whole,
    loadable,
    refuse_incomplete,
    refuse_larger_tokenizer,
    refuse_pickles,
)
from whet.recipe.bases import NANO, folder_of
from whet.recipe.schema import Full, Lora, Pretrain, Recipe


def refuse_unfit_base(recipe: Recipe) -> None:
    """Raises ModelError. A base on the Hub is not fetched for this, and one that is loaded in 4 bits is not tried."""
    name, code = recipe.base, recipe.trust_remote_code
    if folder_of(name) is None:
        return
    config = load_config(name, code)
    usual = isinstance(recipe.adapter, Full) or recipe.adapter == Lora(**_free(recipe.adapter))
    if name == NANO and usual:
        return
    refuse_larger_tokenizer(load_tokenizer(name, code), config.vocab_size, name)
    fresh = isinstance(recipe.method, Pretrain) and recipe.method.from_scratch
    stored = getattr(config, "quantization_config", None) or {}
    kind = stored.get("quant_method", "") if isinstance(stored, dict) else getattr(stored, "quant_method", "")
    if fresh or recipe.quantise or str(kind) == "bitsandbytes":
        return
    refuse_pickles(name)
    model = _sketched(name, code)
    if not usual:
        any_rank = recipe.adapter.model_copy(update={"rank": 1, "alpha": 1.0})
        add_adapter(model, any_rank, recipe.seed)


def _free(adapter: Lora) -> dict[str, Any]:
    """Keys of the adapter that any base can take."""
    return adapter.model_dump(include={"rank", "alpha", "dropout", "rslora"})


def _sketched(name: str, trust_remote_code: bool) -> Any:
    with loadable(name):
        model, report = load_whole(name, "auto", trust_remote_code, device_map="meta")
    refuse_incomplete(report, name)
    return model
