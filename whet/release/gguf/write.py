"""A model folder as one GGUF file: keys, then the weights, read, changed, quantised and written one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from whet.errors import ModelError
from whet.model.gguf.header import package
from whet.model.gguf.tensor_names import Wanted, wanted_tensors
from whet.release.gguf.architecture import USE_MERGED, Described, described
from whet.release.gguf.kinds import KINDS, quantised, stored_bytes, stored_type
from whet.release.gguf.vocabulary import Vocabulary, read_vocabulary
from whet.release.gguf.weights import FolderWeights

FLOAT32 = 0
"""Its number in ggml.h."""


@dataclass(frozen=True, slots=True)
class GgufSource:
    """What a file is made of."""

    folder: Path
    """Config, tokenizer, chat template and safetensors of the whole model."""
    stop_ids: list[int]
    """Tokens that end an answer."""
    name: str


def write_gguf(
    source: GgufSource, kind: str, file: Path, step: Callable[[float], None] = lambda part: None
) -> list[str]:
    """Writes the file and returns sentences that people must know. `step` hears the part that is done.

    Raises ModelError for a model that llama.cpp would compute in another way; nothing of it is written then.
    """
    model = described(source.folder)
    vocabulary = read_vocabulary(source.folder, source.name, model.config["vocab_size"], source.stop_ids)

    wanted = wanted_tensors(model.architecture, model.config)
    with FolderWeights(source.folder) as weights:
        refuse_other_tensors(source.folder, weights.shapes(), wanted)
        writer = package().GGUFWriter(file, model.architecture)

        try:
            _describe(writer, model, vocabulary, kind)
            _write_weights(writer, model, weights, wanted, kind, step)
        finally:
            writer.close()

    odd = [name for name, tensor in wanted.items() if _is_odd(tensor.shape, kind)]
    odd_note = (
        f"{len(odd)} matrices stay float16: their rows are no whole number of blocks of {kind} ({', '.join(odd[:2])})"
    )

    return [*model.notes, *vocabulary.notes, *([odd_note] if odd else [])]


def _is_odd(shape: tuple[int, ...], kind: str) -> bool:
    return len(shape) > 1 and stored_type(shape, kind) != package().GGMLQuantizationType[KINDS[kind].name]


def refuse_other_tensors(folder: Path, found: dict[str, tuple[int, ...]], wanted: dict[str, Wanted]) -> None:
    """Raises ModelError for a tensor that is missing, of another shape, or that the file has no place for."""
    shapes = {tensor.name: tensor.shape for tensor in wanted.values()}
    missing, unknown = sorted(set(shapes) - set(found)), sorted(set(found) - set(shapes))
    unknown = [name for name in unknown if name != "lm_head.weight"]  # a copy of the embedding, of a tied model

    if missing:
        raise ModelError(f"the tensor {missing[0]!r} is missing", where=str(folder), fix="export the run again")
    if unknown:
        what = f"it has the tensor {unknown[0]!r}, for which llama.cpp's form of this family has no place"
        raise ModelError(what, where=str(folder), fix=USE_MERGED)

    for name, shape in shapes.items():
        if found[name] != shape:
            what = f"{name!r} has the shape {found[name]}, and the config says {shape}"
            raise ModelError(what, where=str(folder), fix="export the run again")


def _describe(writer: Any, model: Described, vocabulary: Vocabulary, kind: str) -> None:
    gguf = package()
    writer.add_type("model")
    writer.add_name(vocabulary.name)
    writer.add_file_type(KINDS[kind].file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)

    for key, value in model.keys.items():
        _add(writer, f"{model.architecture}.{key}", value)
    writer.add_tokenizer_model(vocabulary.kind)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)

    if vocabulary.scores is not None:
        writer.add_token_scores(vocabulary.scores)
    if vocabulary.merges is not None:
        writer.add_token_merges(vocabulary.merges)

    for key, value in vocabulary.keys.items():
        _add(writer, f"tokenizer.ggml.{key}", value)
    if vocabulary.templates:
        writer.add_chat_template([{"name": name, "template": text} for name, text in vocabulary.templates.items()])


def _add(writer: Any, key: str, value: Any) -> None:
    kinds = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    kinds[type(value)](key, value)


def _write_weights(
    writer: Any,
    model: Described,
    weights: FolderWeights,
    wanted: dict[str, Wanted],
    kind: str,
    step: Callable[[float], None],
) -> None:
    factors = {name: torch.tensor(values) for name, values in model.factors.items()}
    shapes = {name: tuple(factor.shape) for name, factor in factors.items()}
    shapes |= {name: tensor.shape for name, tensor in wanted.items()}

    for name, shape in shapes.items():
        chosen = stored_type(shape, kind)
        writer.add_tensor_info(name, shape, torch.zeros(0).numpy().dtype, stored_bytes(shape, chosen), chosen)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()

    for n, name in enumerate(shapes):
        if name in factors:
            weight = factors[name]
        else:
            weight = changed(weights.read(wanted[name].name), wanted[name])

        packed, _ = quantised(name, weight, kind)
        writer.write_tensor_data(packed)
        step((n + 1) / len(shapes))


def changed(weight: Tensor, tensor: Wanted) -> Tensor:
    """What llama.cpp changes in a tensor: the order of rows, or one more."""
    if tensor.raised:
        weight = weight.float() + 1
    return turned(weight, tensor.heads)


def turned(weight: Tensor, heads: int) -> Tensor:
    """Rows of queries and keys from transformers' order (halves) to llama.cpp's (neighbours turned)."""
    if not heads:
        return weight
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).reshape(weight.shape)
