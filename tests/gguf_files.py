"""Tiny GGUF files of random models, written as llama.cpp's converter writes them, beside the model they came from.

    model, path = gguf_files.write(tmp_path / "tiny.gguf", "Llama", kind="Q8_0")

The reordering of queries and keys is that of convert_hf_to_gguf.py (LlamaModel.permute), written down here again, so
that the reader is not tested with itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch import Tensor
from transformers.convert_slow_tokenizer import bytes_to_unicode

from tests.tiny_models import tiny

NANO = Path(__file__).parents[1] / "whet" / "model" / "nano"
SHAPE = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2}
EXTRA: dict[str, dict[str, Any]] = {
    "Llama": {}, "Mistral": {"sliding_window": 16}, "Qwen2": {}, "Qwen3": {"head_dim": 32},
}  # fmt: skip
ARCHITECTURES = {"Llama": "llama", "Mistral": "llama", "Qwen2": "qwen2", "Qwen3": "qwen3"}
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def nano_words() -> tuple[list[str], list[str]]:
    """Tokens and merges of the bundled base: a real BPE over bytes."""
    told = json.loads((NANO / "tokenizer.json").read_text("utf-8"))["model"]
    ordered = sorted(told["vocab"], key=told["vocab"].__getitem__)
    return ordered, [" ".join(pair) for pair in told["merges"]]


def model_of(name: str, **changes: Any) -> Any:
    """A random model with the vocabulary of nano; tied where `changes` say so."""
    return tiny(name, **{"vocab_size": len(nano_words()[0]), **SHAPE, **EXTRA[name], **changes})


def write(
    path: Path,
    name: str = "Llama",
    kind: str = "F16",
    edit: Callable[[gguf.GGUFWriter], object] | None = None,
    drop: str = "",
    pre: str = "",
    model: Any = None,
) -> Any:
    """Writes the file and gives its model. `edit` may add keys, `drop` leaves one tensor out."""
    model = model or model_of(name)
    writer = gguf.GGUFWriter(path, ARCHITECTURES[name])
    describe(writer, model.config, name)
    bytewise(writer, pre or ("qwen2" if name.startswith("Qwen") else "gpt-2"))
    if edit:
        edit(writer)
    for key, value, quantised in tensors(model, ARCHITECTURES[name]):
        if key != drop:
            add(writer, key, value, kind if quantised else "F32")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def describe(writer: gguf.GGUFWriter, config: Any, name: str) -> None:
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if name == "Qwen3":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if name == "Mistral":
        writer.add_sliding_window(config.sliding_window)


def bytewise(writer: gguf.GGUFWriter, pre: str) -> None:
    words, merges = nano_words()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(words)
    letters = set(bytes_to_unicode().values())
    marks = [word.startswith("<|") and word.endswith("|>") and set(word) <= letters for word in words]
    writer.add_token_types([3 if mark else 1 for mark in marks])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(words.index("<|end|>"))
    writer.add_pad_token_id(words.index("<|pad|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def tensors(model: Any, architecture: str) -> list[tuple[str, Tensor, bool]]:
    """Name in GGUF, numbers, and whether they may be quantised."""
    config, found = model.config, []
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], config.num_hidden_layers)
    for name, value in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        key = names.get_name(name, (".weight", ".bias"))
        assert key, name
        if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
            value = permuted(value, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
        found.append((key, value, value.ndim > 1))
    return found


def permuted(weight: Tensor, heads: int) -> Tensor:
    """convert_hf_to_gguf.py: halves become neighbours."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def add(writer: gguf.GGUFWriter, key: str, value: Tensor, kind: str) -> None:
    form = gguf.GGMLQuantizationType[kind]
    writer.add_tensor(key, gguf.quants.quantize(value.float().numpy(), form), raw_dtype=form)


def as_stored(model: Any, kind: str) -> Any:
    """The same model after its matrices went through the quantisation, in the order of transformers: what must come
    out of the file, to the last bit."""
    form = gguf.GGMLQuantizationType[kind]
    dtype = {"F32": torch.float32, "Q8_0": torch.float32, "F16": torch.float16}.get(kind, torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                packed = gguf.quants.quantize(parameter.float().numpy(), form)
                parameter.copy_(torch.from_numpy(np.array(gguf.quants.dequantize(packed, form))))
            parameter.copy_(parameter.to(dtype))
    return model
