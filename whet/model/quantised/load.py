"""A 4-bit base from safetensors files, one tensor at a time: in memory lies what is quantised so far, and one tensor.

transformers quantises while it loads, but maps all files into memory and keeps them mapped to the end, so that the
process holds the whole model in 16 bits as well. Here it gets tensors that are read from the file at the moment of
their use (`pread`, no mapping). Everything else is its own: names, conversions, ties, which layers are quantised.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from whet.building import building
from whet.errors import ModelError
from whet.model.quantised.nf4 import BLOCK, keep_weights_unpacked, nf4_config, quantised_linears
from whet.model.weights_identity import add_tensor

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"


def load_quantised(path: str, dtype: torch.dtype, trust_remote_code: bool = False) -> tuple[Any, dict[str, Any], str]:
    """Model on the processor in evaluation mode, transformers' report of the loading, and the base's fingerprint.

    Quantised on the processor wherever it runs later, so that the same file gives the same weights. The fingerprint is
    of the tensors in the files: the last bit of a scale may depend on the number of threads.
    Raises ModelError without bitsandbytes, for a base that is quantised already, or that has no layer to quantise; and
    whatever transformers raises for files that it cannot read.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    quantisation = nf4_config(dtype)
    config = AutoConfig.from_pretrained(path, trust_remote_code=trust_remote_code)
    refuse_quantised(config, path)

    with building(), torch.device("meta"):
        kind = type(AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code))
    tensors = _stored_tensors(path)
    of_kind = getattr(kind, "config_class", None) in (None, type(config))
    with building():
        model, report = kind.from_pretrained(
            None,
            config=config if of_kind else config.get_text_config(),
            state_dict=tensors,
            dtype=dtype,
            quantization_config=quantisation,
            device_map={"": "cpu"},
            output_loading_info=True,
        )
    _prove_shapes(model, path)
    keep_weights_unpacked(model)
    model.name_or_path = model.config.name_or_path = path

    return model, report, _fingerprint(tensors)


def refuse_quantised(config: Any, path: str) -> None:
    """Raises ModelError for a base that comes quantised."""
    if getattr(config, "quantization_config", None):
        fix = "leave quantise out, or use the base that it was made from"
        raise _cannot("the base is quantised already", path, fix)


def refuse_unquantisable(inputs: dict[str, int], path: str) -> None:
    """`inputs`: how many numbers each layer reads that would be quantised, by name. Raises ModelError."""
    if not inputs:
        raise _cannot("this base has no linear layers that can be quantised", path, "leave quantise out")
    for name, width in inputs.items():
        if width % BLOCK:
            what = f"{name} reads {width} numbers, and 4-bit blocks hold {BLOCK}"
            raise _cannot(what, path, "leave quantise out: bitsandbytes reads such a weight wrongly on a processor")


def _prove_shapes(model: Any, path: str) -> None:
    """transformers does not compare the shapes of weights that it quantises. Raises ModelError."""
    layers = quantised_linears(model)
    for name, layer in layers.items():
        state, wanted = getattr(layer.weight, "quant_state", None), (layer.out_features, layer.in_features)
        # what is missing is reported as such
        if state is None:
            stored = wanted
        else:
            stored = tuple(state.shape)

        if stored != wanted:
            raise RuntimeError(f"mismatched shapes: {name} is {stored} in the file and {wanted} in config.json")

    refuse_unquantisable({name: layer.in_features for name, layer in layers.items()}, path)


def _cannot(what: str, path: str, fix: str) -> ModelError:
    return ModelError(what, where="quantise", value=path, fix=fix)


@dataclass(slots=True)
class _Stored:
    """A tensor in a file. Reading it notes what it was; transformers reads with `tensor[...]`."""

    file: str
    name: str
    digest: bytes | None = field(default=None)

    def __getitem__(self, index: Any) -> Tensor:
        _give_back_freed_memory()
        with safe_open(self.file, framework="pt", backend="pread") as opened:
            tensor = opened.get_tensor(self.name)
        digest = hashlib.sha256()
        add_tensor(digest, self.name, tensor)
        self.digest = digest.digest()
        return tensor[index]


def _give_back_freed_memory() -> None:
    """glibc keeps what the last tensor's quantisation freed, in pieces too small for the next: up to four models."""
    if platform.libc_ver()[0] == "glibc":
        _libc().malloc_trim(0)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL("libc.so.6")


def _stored_tensors(path: str) -> dict[str, _Stored]:
    """Every tensor of the base by its name in the files, unread. Files of a Hub name are fetched first."""
    stored = {}
    for file in weight_files(path):
        with safe_open(file, framework="pt", backend="pread") as opened:
            stored |= {name: _Stored(file, name) for name in opened.keys()}
    return stored


def weight_files(path: str) -> list[str]:
    """The safetensors files of a base; those of a Hub name are fetched first. transformers raises where there are
    none."""
    from transformers.utils.hub import cached_file, get_checkpoint_shard_files

    single = cached_file(path, SINGLE, _raise_exceptions_for_missing_entries=False)
    if single is not None:
        return [single]
    shards, _ = get_checkpoint_shard_files(path, cached_file(path, INDEX))
    return list(shards or [])


def _fingerprint(tensors: dict[str, _Stored]) -> str:
    """sha256 over the tensors that were read, and the kind of quantisation."""
    digest = hashlib.sha256(b"nf4")
    for _, stored in sorted(tensors.items()):
        digest.update(stored.digest or b"")
    return digest.hexdigest()
