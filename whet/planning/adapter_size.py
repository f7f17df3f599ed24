"""How many numbers an adapter has, with the options that PEFT gives it; from the shape of the base alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from whet.planning.model_shape import Linear, ModelShape
from whet.planning.module_names import HEAD, map_path, table_path, trained_whole


@dataclass(frozen=True, slots=True)
class Options:
    """Of a LoRA: other ranks for some modules, DoRA, modules that are trained whole."""

    ranks: tuple[tuple[str, int], ...] = ()
    """(end of a module's name, or a regular expression of it; rank)."""
    dora: bool = False
    saved: tuple[str, ...] = ()


Targets = Literal["all-linear"] | list[str]


def adapter_numbers(shape: ModelShape, rank: int, targets: Targets, options: Options, experts: bool = True) -> int:
    """Rank * (inputs + outputs) a map (Hu et al. 2021, section 4.1); DoRA adds a length for each output (Liu et al.
    2024, section 4.1); modules that are trained whole count whole. Raises ModelError for unknown names."""
    total = saved_numbers(shape, options.saved)
    for linear in shape.adapted(targets, experts):
        for layer in adapted_layers(shape, linear, options):
            used = rank_of(shape, linear, layer, rank, options.ranks)
            total += linear.copies * (used * (linear.inputs + linear.outputs) + linear.outputs * options.dora)
    return total


def rank_of(shape: ModelShape, linear: Linear, layer: int, rank: int, ranks: Sequence[tuple[str, int]]) -> int:
    """The rank of one map of one layer; the first pattern that fits counts, as in PEFT."""
    path = map_path(shape, _number(shape, linear), layer)
    if linear.of_experts:
        name = f"{path}.{linear.name}"
    else:
        name = path

    for pattern, own_rank in ranks:
        if re.match(rf"(.*\.)?({pattern})$", name):
            return own_rank
    return linear.rank(rank)


def largest_ranks(
    shape: ModelShape, rank: int, targets: Targets, options: Options, experts: bool = True
) -> list[tuple[Linear, int]]:
    """The adapted maps of a layer, each with its largest rank in any layer."""
    largest = []
    for linear in shape.adapted(targets, experts):
        ranks = [rank_of(shape, linear, layer, rank, options.ranks) for layer in adapted_layers(shape, linear, options)]
        if ranks:
            largest.append((linear, max(ranks)))

    return largest


def adapted_layers(shape: ModelShape, linear: Linear, options: Options) -> list[int]:
    """The layers in which a map gets an adapter: those in which it is not trained whole."""
    whole = trained_whole(shape, options.saved)
    number = _number(shape, linear)
    return [layer for layer in range(shape.layers) if map_path(shape, number, layer) not in whole]


def _number(shape: ModelShape, linear: Linear) -> int:
    return next(number for number, candidate in enumerate(shape.linears) if candidate is linear)


def saved_numbers(shape: ModelShape, saved: Sequence[str]) -> int:
    """Numbers of the modules that are trained whole. Raises ModelError for a name that is not known here."""
    return sum(trained_whole(shape, tuple(saved)).values())


def trains_head(shape: ModelShape, saved: Sequence[str]) -> bool:
    """Whether the output layer gets a gradient: named itself, or as the embedding that it is."""
    return (table_path(shape) if shape.tied else HEAD) in trained_whole(shape, tuple(saved))


def trains_inside(shape: ModelShape, saved: Sequence[str]) -> bool:
    """Whether a module inside of a layer is trained whole."""
    return any(part.isdigit() for path in trained_whole(shape, tuple(saved)) for part in path.split("."))
