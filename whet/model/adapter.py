"""LoRA through PEFT: it owns configs, injection and file format, so that adapters load anywhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from whet.errors import ModelError
from whet.model.adapter_options import refuse_bad_patterns, refuse_idle_patterns, saved_modules, ties
from whet.model.experts import targets_of
from whet.model.fused.adapted import install_adapted
from whet.model.quantised.nf4 import quantised_linears
from whet.recipe.schema import Full, Lora
from whet.text.normalise import one_line

HEAD = "score"
"""What transformers calls the head of its sequence classifiers, and so its name in checkpoints and in a release."""


def add_adapter(model: Any, adapter: Lora | Full, seed: int) -> Any:
    """Return the model ready to train: adapters injected over a frozen base, or every weight trainable.

    The result is a PeftModel for LoRA and the model itself for full fine-tuning. Adapter weights take the dtype of
    the base (of its computation, where it is quantised); the optimiser keeps their float32 originals
    (whet/training/optimizers/master_weights.py). Raises ModelError where the base cannot carry what is asked for.
    """
    if isinstance(adapter, Full):
        if quantised_linears(model):
            fix = "train an adapter (kind: lora), or give a base in 16 or 32 bits"
            raise ModelError("4-bit weights cannot be trained", where="adapter", value="full", fix=fix)

        model.requires_grad_(True)
        return model

    from peft import LoraConfig, get_peft_model

    assert adapter.rank is not None and adapter.alpha is not None  # the rules filled them
    refuse_bad_patterns(adapter)
    targets = targets_of(model, adapter)
    saved = saved_modules(model, adapter)

    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]
        lora_dropout=adapter.dropout,
        target_modules=targets.modules,
        target_parameters=targets.parameters,
        rank_pattern=adapter.rank_pattern | targets.ranks | adapter.rank_pattern,  # the first that fits counts
        alpha_pattern=dict(adapter.alpha_pattern),  # PEFT writes those of experts into it
        use_rslora=adapter.rslora,
        use_dora=adapter.dora,
        modules_to_save=saved or None,
        ensure_weight_tying=ties(model, saved),
        task_type="CAUSAL_LM",
    )
    names = linear_names(model)  # what PEFT gives up halfway has names of PEFT's own
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            with _without_false_alarm():
                adapted = get_peft_model(model, config, autocast_adapter_dtype=False)
        except ValueError as error:
            raise _not_adapted(names, adapter, str(error)) from error

    _refuse_adapted_head(adapted)
    _refuse_adapted_tie(adapted)
    refuse_idle_patterns(adapted, adapter)
    _settle(adapted)
    return adapted


def _not_adapted(names: list[str], adapter: Lora, why: str) -> ModelError:
    """Of what PEFT says; `names` are those of the layers that there are."""
    if "incompatible with Mamba" in why:  # its fused kernels read the weight of these layers past any adapter
        what = "PEFT cannot adapt out_proj and conv1d of models with Mamba layers"
        rest = [name for name in names if name not in ("out_proj", "conv1d", "lm_head")]
        fix = f"name the others (adapter.targets: [{', '.join(rest)}]), or train every weight (adapter.kind: full)"
        return ModelError(what, where="adapter.targets", value=adapter.targets, fix=fix)
    if "not found in the base model" in why or "No modules" in why or not adapter.targets:
        what, fix = "no module of the base matches the adapter's targets", "use all-linear, or names such as "
        fix += ", ".join(names[:6])
        return ModelError(what, where="adapter.targets", value=adapter.targets, fix=fix)

    what = f"PEFT cannot adapt this base: {' '.join(why.split())[:200]}"
    fix = "name other layers in adapter.targets, or train every weight (adapter.kind: full)"
    return ModelError(what, where="adapter.targets", value=adapter.targets, fix=fix)


def load_adapter(model: Any, folder: Path) -> Any:
    """Put the adapter of `folder` over `model`. Every tensor of the file must find its place, and every place one."""
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import SafetensorError, safe_open

    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():
            raise ModelError(f"{name} is missing", where=str(folder), fix="give the model/ folder of a run")

    try:
        with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
            stored = set(file.keys())
        with _without_false_alarm():
            loaded = PeftModel.from_pretrained(model, str(folder), autocast_adapter_dtype=False)
    except SafetensorError as error:
        what, fix = f"this file of weights is damaged: {one_line(str(error))}", "restore it from a backup"
        raise ModelError(what, where=str(folder / "adapter_model.safetensors"), fix=fix) from error
    except (RuntimeError, ValueError) as error:
        reason = one_line(str(error))[:200]
        raise _misfit(folder, f"the adapter does not fit this base: {reason}") from error

    placed = set(get_peft_model_state_dict(loaded))
    if placed != stored:
        odd = sorted(placed ^ stored)
        raise _misfit(
            folder, f"the adapter holds {len(stored)} tensors and this base has places for {len(placed)}, e.g. {odd[0]}"
        )

    _refuse_adapted_head(loaded)
    _settle(loaded)
    loaded.eval()
    return loaded


@contextmanager
def _without_false_alarm() -> Iterator[None]:
    """PEFT 0.21 warns that ranks of parameters match no module, and uses them: the tests of experts hold it to that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The following rank_pattern keys did not match", RuntimeWarning)
        yield


def _settle(adapted: Any) -> None:
    """Adapter weights in the dtype of the base, each adapted layer as one function."""
    dtype = next(causal_lm(adapted).parameters()).dtype
    for name, parameter in adapted.named_parameters():  # not adapted.to(dtype): that would round rotary frequencies too
        if "lora_" in name:
            parameter.data = parameter.data.to(dtype)
    install_adapted(adapted)


def _misfit(folder: Path, what: str) -> ModelError:
    return ModelError(what, where=str(folder), fix="use the base that the adapter was trained on")


def _refuse_adapted_head(model: Any) -> None:
    """Log-probabilities read the output layer's own weight, so an adapter on it would be left out unnoticed."""
    if hasattr(causal_lm(model).get_output_embeddings(), "base_layer"):
        raise ModelError(
            "the output layer cannot carry an adapter", where="adapter.targets", fix="leave lm_head out, or train full"
        )


def _refuse_adapted_tie(model: Any) -> None:
    """Merged into an embedding that is the output layer, too, an adapter would change both, and the model another."""
    inner = causal_lm(model)
    table, output = inner.get_input_embeddings(), inner.get_output_embeddings()
    if output is not None and hasattr(table, "base_layer") and table.base_layer.weight is output.weight:
        raise ModelError(
            "the embedding of this base is its output layer, too, and cannot carry an adapter",
            where="adapter.targets",
            fix="leave it out of the targets, or train it whole: adapter.modules_to_save",
        )


@torch.no_grad()
def merge_adapter(model: Any) -> Any:
    """The model inside with every adapter added to its weights, once and in float32. Changes it in place. Raises
    ModelError for an adapter that is not the same once merged."""
    if not is_adapted(model):
        return model
    _refuse_adapted_tie(model)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    return model.merge_and_unload()


@contextmanager
def without_adapter(model: Any) -> Iterator[None]:
    """Within this block the model answers as its base (only for models with an adapter)."""
    with model.disable_adapter():
        yield


@contextmanager
def perturbed(model: Any, size: float = 0.02) -> Iterator[None]:
    """Within this block every adapter's B, and a head, holds small random numbers instead of its own.

    A fresh B is zero: whatever multiplies it, the adapter's whole part and A's gradient, could be wrong unnoticed. So
    is a fresh head, behind which no gradient would reach the model at all.
    """
    ups = [p for name, p in model.named_parameters() if "lora_B" in name or name.endswith(f"{HEAD}.weight")]
    kept = [p.detach().clone() for p in ups]
    generator = torch.Generator().manual_seed(2)

    try:
        with torch.no_grad():
            for parameter in ups:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * size)
        yield
    finally:
        with torch.no_grad():
            for parameter, own in zip(ups, kept, strict=True):
                parameter.copy_(own)


def is_adapted(model: Any) -> bool:
    return hasattr(model, "get_base_model")  # peft_config is no sign: PEFT sets it on the model inside, too


def causal_lm(model: Any) -> Any:
    """The transformers model inside, whatever wraps it."""
    if is_adapted(model):
        return model.get_base_model()
    return model


def trunk_of(model: Any) -> Any:
    """The part of a transformers model that gives hidden states; some classes (Llama 4, Mllama) name another prefix
    than the one under which they hold it. Raises ModelError where there is none."""
    inner = causal_lm(model)
    trunk = inner.base_model
    if trunk is inner:
        trunk = getattr(inner, "model", None) or inner.get_decoder()
    if trunk is None or trunk is inner:
        raise ModelError(f"{type(inner).__name__} has no part that gives hidden states", where="base")
    return trunk


def linear_names(model: Any) -> list[str]:
    """Last parts of the names of linear layers, for messages."""
    from transformers.pytorch_utils import Conv1D

    linear = (torch.nn.Linear, Conv1D)
    return sorted({name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, linear)})
