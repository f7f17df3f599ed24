"""How many numbers an adapter has, with the options that PEFT gives it; from the shape of the base alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from whet.plan.shape import Linear, Shape

TABLES = ("embed_tokens", "wte", "embed_in", "word_embeddings")
HEADS = ("lm_head", "embed_out")
"""What families call the embedding, and the output layer."""
WITHIN = ("layers.{}.self_attn", "layers.{}.mlp", "layers.{}.attention", "h.{}.attn", "h.{}.mlp")
"""Where the linear maps of a layer are, in the families that are known here."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of a LoRA: other ranks for some modules, DoRA, modules that are trained whole."""

    ranks: tuple[tuple[str, int], ...] = ()
    """(end of a module's name, or a regular expression of it; rank)."""
    dora: bool = False
    saved: tuple[str, ...] = ()


Targets = Literal["all-linear"] | list[str]


def adapter_numbers(shape: Shape, rank: int, targets: Targets, options: Options, experts: bool = True) -> int:
    """Rank * (inputs + outputs) a map (Hu et al. 2021, section 4.1); DoRA adds a length for each output (Liu et al.
    2024, section 4.1); modules that are trained whole count whole. Raises ModelError for unknown targets."""
    total = saved_numbers(shape, options.saved)
    for linear in shape.adapted(targets, experts):
        for layer in range(shape.layers):
            used = rank_of(linear, layer, rank, options.ranks)
            total += linear.copies * (used * (linear.inputs + linear.outputs) + linear.outputs * options.dora)
    return total


def rank_of(linear: Linear, layer: int, rank: int, ranks: Sequence[tuple[str, int]]) -> int:
    """The rank of one map of one layer; the first pattern that fits counts, as in PEFT."""
    names = [f"model.{place.format(layer)}.{linear.name}" for place in WITHIN]
    for pattern, other in ranks:
        if any(re.match(rf"(.*\.)?({pattern})$", name) for name in names):
            return other
    return linear.rank(rank)


def largest_ranks(
    shape: Shape, rank: int, targets: Targets, options: Options, experts: bool = True
) -> list[tuple[Linear, int]]:
    """The adapted maps of a layer, each with its largest rank in any layer."""
    return [
        (linear, max(rank_of(linear, layer, rank, options.ranks) for layer in range(shape.layers)))
        for linear in shape.adapted(targets, experts)
    ]


def saved_numbers(shape: Shape, saved: Sequence[str]) -> int:
    """Numbers of the modules that are trained whole. What is neither a table nor a linear map counts as a norm."""
    total = 0
    for name in saved:
        maps = [linear for linear in shape.linears if linear.name == name]
        if name in (*TABLES, *HEADS):
            total += shape.table
        else:
            total += shape.layers * sum(linear.parameters for linear in maps) or shape.hidden
    return total


def trains_head(shape: Shape, saved: Sequence[str]) -> bool:
    """Whether the output layer gets a gradient: named itself, or as the embedding that it is."""
    return any(name in HEADS or (shape.tied and name in TABLES) for name in saved)
