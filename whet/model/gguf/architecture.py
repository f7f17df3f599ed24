"""The architectures of llama.cpp that are read, as transformers has them: a config, and of each tensor its name there.

What a file says about its model and is not understood here would be another model, so that it is refused: a key under
the architecture's name, a tensor, a way of scaling positions. The names of tensors stand in tensor_names.py.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from whet.errors import ModelError, nearest
from whet.model.gguf.header import COPY_AGAIN, Header, Stored, refusal
from whet.model.gguf.tensor_names import wanted_tensors

FLOAT32_LIMIT = 3.4e38
NAMES = {"llama": "llama (Llama, SmolLM, Mistral and others)", "qwen2": "qwen2", "qwen3": "qwen3"}
IN_WORDS = ", ".join(NAMES.values())
USED = {
    "context_length", "embedding_length", "block_count", "feed_forward_length", "vocab_size", "rope.dimension_count",
    "rope.freq_base", "rope.scaling.type", "rope.scaling.factor", "rope.scale_linear", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon",
    "attention.sliding_window", "expert_count", "expert_used_count",
}  # fmt: skip
"""Keys under the architecture's name that are read."""
IDLE = {
    "tensor_data_layout", "rope.scaling.finetuned", "rope.scaling.original_context_length", "attention.causal",
    "pooling_type", "use_parallel_residual",
}  # fmt: skip
"""Keys that change nothing here: how the original was stored, what a scaling that is read, or none, needs not, and what
llama.cpp does not read of these architectures."""
FREQ_BASE = 10_000.0
"""llama.cpp's, where a file names none."""
LOW, HIGH, ORIGINAL = 1.0, 4.0, 8192
LLAMA3 = {"low_freq_factor": LOW, "high_freq_factor": HIGH, "original_max_position_embeddings": ORIGINAL}
"""How Llama 3.1 and later stretch their positions. A GGUF holds the factors that come of it, as a tensor."""
FREQUENCIES = "rope_freqs.weight"
IDS = {"bos_token_id": "bos_token_id", "eos_token_id": "eos_token_id", "pad_token_id": "padding_token_id"}


@dataclass(frozen=True, slots=True)
class Placed:
    """A tensor of the file under its name in transformers; `heads` where the rows of so many heads are reordered."""

    name: str
    stored: Stored
    heads: int = 0


def config_of(header: Header, frequencies: list[float] | None) -> dict[str, Any]:
    """config.json, as a dictionary. `frequencies` are the numbers of the tensor rope_freqs.weight, where there is one.

    Raises ModelError for an architecture, a key or a way of scaling positions that is not read here.
    """
    keys = _Keys(header)
    keys.refuse_unknown()
    hidden, heads = keys.whole("embedding_length"), keys.whole("attention.head_count")

    size = keys.whole("attention.key_length", 0) or hidden // heads
    for key in ("attention.value_length", "rope.dimension_count"):
        if keys.whole(key, size) != size:
            raise keys.refused(f"{key} is {keys.whole(key):,}, and heads are {size:,} wide; they are read as one size")

    context, window = keys.whole("context_length"), keys.whole("attention.sliding_window", 0)
    config: dict[str, Any] = {
        "model_type": header.architecture,
        "vocab_size": _embedding(header).shape[0],
        "hidden_size": hidden,
        "intermediate_size": keys.whole("feed_forward_length"),
        "num_hidden_layers": keys.whole("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": keys.whole("attention.head_count_kv", heads),
        "head_dim": size,
        "max_position_embeddings": context,
        "rms_norm_eps": keys.real("attention.layer_norm_rms_epsilon"),
        "rope_parameters": _positions(keys, size, frequencies),
        "tie_word_embeddings": "output.weight" not in header.tensors,
        **{name: keys.top(f"tokenizer.ggml.{key}") for name, key in IDS.items()},
    }

    if 0 < window < context:
        if header.architecture != "llama":
            raise keys.refused(f"attention.sliding_window is {window:,}, and which layers have it is not said")

        config |= {"model_type": "mistral", "sliding_window": window}
    elif header.architecture == "llama":
        config |= {"attention_bias": _has(header, "attn_q.bias"), "mlp_bias": _has(header, "ffn_gate.bias")}

    return config


def _positions(keys: _Keys, size: int, frequencies: list[float] | None) -> dict[str, Any]:
    """rope_parameters: plain, stretched evenly, or as Llama 3.1 does it."""
    base = keys.real("rope.freq_base", FREQ_BASE)
    kind, factor = keys.text("rope.scaling.type", "none"), keys.real("rope.scaling.factor", 0.0)

    factor = factor or keys.real("rope.scale_linear", 1.0)
    if kind not in ("none", "linear") or (kind == "none" and factor not in (0.0, 1.0)):
        raise keys.refused(f"it stretches positions by the rule {kind!r}; read are none, linear, and that of Llama 3")
    if frequencies is None:
        linear = kind == "linear" and factor != 1.0
        return {"rope_theta": base, "rope_type": "linear" if linear else "default"} | (
            {"factor": factor} if linear else {}
        )

    largest = max(frequencies)
    told = {"rope_theta": base, "rope_type": "llama3", "factor": float(round(largest, 3)), **LLAMA3}
    expected = list(llama3_factors(base, size, told["factor"]))

    near = len(expected) == len(frequencies) and all(map(_close, expected, frequencies))
    if kind != "none" or not near:
        raise keys.refused(f"{FREQUENCIES} holds other factors of positions than those of Llama 3")
    return told


def llama3_factors(base: float, size: int, factor: float) -> Iterator[float]:
    """What each frequency is divided by (convert_hf_to_gguf.py, LlamaModel.generate_extra_tensors)."""
    for pair in range(0, size, 2):
        length = 2 * math.pi * base ** (pair / size)
        if length < ORIGINAL / HIGH:
            yield 1.0
        elif length > ORIGINAL / LOW:
            yield factor
        else:
            smooth = (ORIGINAL / length - LOW) / (HIGH - LOW)
            yield 1 / ((1 - smooth) / factor + smooth)


def _close(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=1e-4)


def placed_tensors(header: Header, config: dict[str, Any]) -> list[Placed]:
    """Every tensor but the factors of positions, under its name in transformers. Raises ModelError for one that the
    model has not, that it misses, or whose shape is not what the metadata says."""
    wanted = wanted_tensors(header.architecture, config)
    found = {name for name in header.tensors if name != FREQUENCIES}

    unknown, missing = sorted(found - set(wanted)), sorted(set(wanted) - found)
    if unknown:
        what = f"it holds the tensor {unknown[0]!r}, which no {header.architecture} model has here"
        raise refusal(header.path, what, "use the safetensors folder of this model")
    if missing:
        raise refusal(header.path, f"the tensor {missing[0]!r} is missing in it", COPY_AGAIN)

    for name, tensor in wanted.items():
        if header.tensors[name].shape != tensor.shape:
            what = f"{name!r} has the shape {header.tensors[name].shape}, and its metadata says {tensor.shape}"
            raise refusal(header.path, what, COPY_AGAIN)

    return [Placed(tensor.name, header.tensors[name], tensor.heads) for name, tensor in sorted(wanted.items())]


def _has(header: Header, part: str) -> bool:
    return f"blk.0.{part}" in header.tensors


def _embedding(header: Header) -> Stored:
    found = header.tensors.get("token_embd.weight")
    if found is None or len(found.shape) != 2:
        raise refusal(header.path, "the tensor 'token_embd.weight' is missing in it", COPY_AGAIN)
    return found


def decimal(value: float) -> float:
    """The shortest decimal number with the same float32: 1e-05 was meant where 9.999999747378752e-06 is read."""
    if abs(value) < FLOAT32_LIMIT:
        packed = struct.pack("<f", value)
    else:
        packed = b""
    if not packed or struct.unpack("<f", packed)[0] != value:
        return value
    return next(short for n in range(1, 10) if struct.pack("<f", short := float(f"{value:.{n}g}")) == packed)


class _Keys:
    """The metadata under the architecture's name, each value of the type that it must have."""

    def __init__(self, header: Header) -> None:
        self.header, self.prefix = header, f"{header.architecture}."
        if header.architecture not in NAMES:
            near = nearest(header.architecture, NAMES)
            what = f"its architecture is {header.architecture!r}{near}; GGUF files are read of {IN_WORDS}"
            raise refusal(header.path, what, "use the safetensors folder of this model")

    def refuse_unknown(self) -> None:
        own = {key.removeprefix(self.prefix) for key in self.header.metadata if key.startswith(self.prefix)}
        unknown = sorted(own - USED - IDLE)
        if unknown:
            raise self.refused(f"it sets {self.prefix}{unknown[0]}, which is not understood here")

        layers = self.whole("block_count")
        if layers > len(self.header.tensors):
            what = f"it says that it has {layers:,} layers, and holds {len(self.header.tensors):,} tensors"
            raise refusal(self.header.path, what, COPY_AGAIN)
        if self.whole("expert_count", 0):
            raise self.refused("it is a mixture of experts, which is not read from GGUF files")
        if self.top("split.count", 1) > 1:
            what = f"it is one of {self.top('split.count')} parts"
            raise refusal(self.header.path, what, "join them first: llama-gguf-split --merge FIRST-PART WHOLE")

    def refused(self, what: str) -> ModelError:
        return refusal(self.header.path, what, "use the safetensors folder of this model")

    def whole(self, key: str, default: int | None = None) -> int:
        value = self.header.metadata.get(self.prefix + key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0 or (default is None and value == 0):
            raise self._wrong(key, value, "a whole number")
        return value

    def real(self, key: str, default: float | None = None) -> float:
        value = self.header.metadata.get(self.prefix + key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._wrong(key, value, "a number")
        return decimal(float(value))

    def text(self, key: str, default: str) -> str:
        value = self.header.metadata.get(self.prefix + key, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a word")
        return value

    def top(self, key: str, default: int | None = None) -> Any:
        """A whole number outside the architecture's own keys, or `default`."""
        value = self.header.metadata.get(key, default)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise refusal(self.header.path, f"{key} is {value!r}, and no whole number", COPY_AGAIN)
        return value

    def _wrong(self, key: str, value: object, wanted: str) -> ModelError:
        if value is None:
            said = "is missing"
        else:
            said = f"is {value!r:.60}"
        return refusal(self.header.path, f"{self.prefix}{key} {said}, where {wanted} must stand", COPY_AGAIN)
