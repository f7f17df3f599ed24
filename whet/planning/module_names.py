"""The modules of a shape under the names that transformers gives them, and which of them an adapter trains whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from whet.errors import ModelError, nearest
from whet.planning.model_shape import ModelShape

OUTPUT_MAPS = ("o_proj", "dense", "c_proj")
"""The last map of attention; those after it are of the MLP."""
PLACES = {"gpt2": ("transformer", "h", "attn"), "gpt_neox": ("gpt_neox", "layers", "attention")}
USUAL = ("model", "layers", "self_attn")
"""Names of the trunk, of its layers, and of attention."""
TABLES = {"gpt2": "wte", "gpt_neox": "embed_in"}
LAST_NORMS = {"gpt2": "ln_f", "gpt_neox": "final_layer_norm"}
HEAD = "lm_head"
FIRST, SECOND = "input_layernorm", "post_attention_layernorm"
BEFORE, AFTER = "pre_feedforward_layernorm", "post_feedforward_layernorm"
NORMS = {
    "gpt2": ("ln_1", "ln_2"), "olmo2": (SECOND, AFTER), "gemma2": (FIRST, SECOND, BEFORE, AFTER),
    "gemma3_text": (FIRST, SECOND, BEFORE, AFTER),
}  # fmt: skip
"""Of a layer, without those of heads; in all other families FIRST and SECOND."""


def map_path(shape: ModelShape, number: int, layer: int) -> str:
    """The module that holds the linear map of this number (in Shape.linears); all experts of a layer are one module."""
    trunk, layers, attention = PLACES.get(shape.family, USUAL)
    last = next(n for n, linear in enumerate(shape.linears) if linear.name in OUTPUT_MAPS)

    linear = shape.linears[number]
    if linear.of_experts:
        name = "experts"
    else:
        name = linear.name

    return f"{trunk}.{layers}.{layer}.{attention if number <= last else 'mlp'}.{name}"


def table_path(shape: ModelShape) -> str:
    return f"{PLACES.get(shape.family, USUAL)[0]}.{TABLES.get(shape.family, 'embed_tokens')}"


@lru_cache(maxsize=4)
def numbers_of(shape: ModelShape) -> dict[str, int]:
    """Numbers of every module that holds weights itself, by its full name; a table that is two modules is named
    once."""
    numbers: dict[str, int] = {}
    trunk, layers, attention = PLACES.get(shape.family, USUAL)
    heads = _head_norms(shape)

    norms = NORMS.get(shape.family, (FIRST, SECOND))
    for layer in range(shape.layers):
        for number, linear in enumerate(shape.linears):
            path = map_path(shape, number, layer)
            numbers[path] = numbers.get(path, 0) + linear.parameters

        own = f"{trunk}.{layers}.{layer}"
        for name, of_norm in heads.items():
            numbers[f"{own}.{attention}.{name}"] = of_norm
        for name in norms:
            numbers[f"{own}.{name}"] = (shape.norms - sum(heads.values())) // len(norms)

    numbers[table_path(shape)] = shape.table
    if shape.family == "gpt2":
        places = shape.context * shape.hidden
    else:
        places = 0

    if places:
        numbers[f"{trunk}.wpe"] = places
    numbers[f"{trunk}.{LAST_NORMS.get(shape.family, 'norm')}"] = shape.outside - places
    if shape.tied:
        return numbers
    return numbers | {HEAD: shape.table}


def _head_norms(shape: ModelShape) -> dict[str, int]:
    if not shape.head_norms:
        return {}
    if shape.family == "olmo2":  # over all heads at once
        return {"q_norm": shape.attended, "k_norm": shape.key_heads * shape.head_size}
    return {"q_norm": shape.head_size, "k_norm": shape.head_size}


@lru_cache(maxsize=32)
def trained_whole(shape: ModelShape, saved: tuple[str, ...]) -> dict[str, int]:
    """Those of them that `modules_to_save` means: named themselves, or inside of what is, by the end of its name, as
    whet/model/adapter_options.py reads it. Raises ModelError for a name that nothing has."""
    every = numbers_of(shape)
    whole: dict[str, int] = {}
    for wanted in saved:
        meant = {path: numbers for path, numbers in every.items() if _is_within(path, wanted)}
        if not meant:
            ends = {part for path in every for part in path.split(".") if not part.isdigit()}
            what = f"what it takes to train this module whole is not known{nearest(wanted, ends)}"
            fix = f"name some of: {', '.join(sorted(ends))}; or leave it out"
            raise ModelError(what, where="adapter.modules_to_save", value=wanted, fix=fix)

        whole |= meant

    return whole


def _is_within(path: str, wanted: str) -> bool:
    """Whether the module, or one that it is inside of, has this name or ends in it."""
    return any(f".{outer}".endswith(f".{wanted}") for outer in _around(path))


def _around(path: str) -> Iterator[str]:
    """A module and all that it is inside of."""
    while path:
        yield path
        path = path.rpartition(".")[0]
