"""A base, tried without its weights being read: will it load, fit its tokenizer, take its bits, and carry the adapter?

transformers builds the model on torch's meta device, where tensors have a shape and no numbers, and finds each of them
in the files of a folder. Of a base on the Hub, and of one that is loaded in 4 bits, it builds what the config says. So
`whet check` can refuse in a second what a tune would refuse after it has read the data.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from whet.building import building
from whet.model.adapter import add_adapter
from whet.model.base import (
    load_config,
    load_tokenizer,
    load_whole,
    loadable,
    locate,
    refuse_incomplete,
    refuse_larger_tokenizer,
    refuse_pickles,
)
from whet.model.quantised.load import refuse_quantised, refuse_unquantisable
from whet.model.quantised.nf4 import bitsandbytes
from whet.recipe.bases import NANO, folder_of
from whet.recipe.schema import Full, Lora, Recipe


def refuse_unfit_base(recipe: Recipe) -> None:
    """Raises ModelError. Weights on the Hub are not fetched for this, config and tokenizer are."""
    name, code = recipe.base, recipe.trust_remote_code
    if recipe.quantise:
        bitsandbytes()

    here = folder_of(name) is not None
    config = load_config(name, code)

    usual = isinstance(recipe.adapter, Full) or recipe.adapter == Lora(**_free(recipe.adapter))
    if name == NANO and usual:
        return

    refuse_larger_tokenizer(load_tokenizer(name, code), config.vocab_size, name)
    if recipe.method.random_start:
        return

    if recipe.quantise:
        refuse_quantised(config, locate(name))
    by_config = not here or recipe.quantise or _stored_kind(config) == "bitsandbytes"
    if not by_config:
        refuse_pickles(name)

    if by_config:
        model = _imagined(name, code)
    else:
        model = _sketched(name, code)

    if recipe.quantise:
        refuse_unquantisable(_inputs(model), locate(name))

    if not usual:
        any_rank = recipe.adapter.model_copy(update={"rank": 1, "alpha": 1.0})
        add_adapter(model, any_rank, recipe.seed)


def _free(adapter: Lora) -> dict[str, Any]:
    """Keys of the adapter that any base can take."""
    return adapter.model_dump(include={"rank", "alpha", "dropout", "rslora"})


def _stored_kind(config: Any) -> str:
    """How a base comes quantised; empty where it does not."""
    stored = getattr(config, "quantization_config", None) or {}
    if isinstance(stored, dict):
        kind = stored.get("quant_method", "")
    else:
        kind = getattr(stored, "quant_method", "")
    return str(getattr(kind, "value", kind))


def _imagined(name: str, trust_remote_code: bool) -> Any:
    """The model that the config describes, without numbers, and unquantised where it comes quantised; for that the
    package must be here that reads it."""
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.quantizers.auto import AutoHfQuantizer

    with loadable(name):
        config: Any = AutoConfig.from_pretrained(locate(name), trust_remote_code=trust_remote_code)
        if stored := getattr(config, "quantization_config", None):
            AutoHfQuantizer.from_config(stored, pre_quantized=True).validate_environment()
            del config.quantization_config

        with building(), torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)


def _inputs(model: Any) -> dict[str, int]:
    """Numbers that each layer reads which transformers would quantise: all linear ones but the output layer."""
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    inputs: dict[str, int] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module is not head:
            inputs[name] = module.in_features
        elif isinstance(module, Conv1D):  # a linear layer whose weight is turned
            inputs[name] = module.weight.shape[0]

    return inputs


def _sketched(name: str, trust_remote_code: bool) -> Any:
    with loadable(name):
        model, report = load_whole(name, "auto", trust_remote_code, device_map="meta")
    refuse_incomplete(report, name)
    return model
