"""How the tensors of an export differ from those that it should hold: by what was done to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from whet.release.diagnosis import Fault

Relation = Literal["overflow", "zero", "base", "scaled", "permuted", "swapped", "other"]
ALIKE = 0.02
"""Relative error by which two tensors count as the same."""

NEARLY_ALL = 0.9
"""Share of tensors that differ without any relation, from which it is another model."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The tensors of an export: each with its shape, the file it stands in, and how it is read."""

    shapes: Mapping[str, tuple[int, ...]]
    files: Mapping[str, str]
    read: Callable[[str], Tensor]


@dataclass(frozen=True, slots=True)
class Difference:
    name: str
    relation: Relation
    scale: float = 1.0
    """Of `scaled`: by what the tune in it is multiplied."""


def differences(wanted: Stored, found: Stored, base: Callable[[str], Tensor | None]) -> list[Difference]:
    """Of tensors that both hold in the same shape. `base` gives what the tensor was before the tune, where that is
    known; an adapter's has none."""
    common = [name for name, shape in wanted.shapes.items() if found.shapes.get(name) == shape]
    made = []
    for name in common:
        right, seen = wanted.read(name).float(), found.read(name).float()
        if not torch.equal(right, seen):
            made.append(relation(name, right, seen, base(name), wanted))

    return made


def relation(name: str, right: Tensor, seen: Tensor, before: Tensor | None, wanted: Stored) -> Difference:
    """What was done to one tensor."""
    if not seen.isfinite().all():
        return Difference(name, "overflow")
    if not seen.any():
        return Difference(name, "zero")

    if before is None:
        start = torch.zeros_like(right)
    else:
        start = before.float()

    if before is not None and _near(seen, start, right - start):
        return Difference(name, "base")

    tune = right - start
    if tune.any():
        scale = float(((seen - start) * tune).sum() / tune.square().sum())
    else:
        scale = 0.0

    if abs(scale - 1) > ALIKE and _near(seen - start, scale * tune, tune):
        return Difference(name, "scaled", scale)
    if _norms(seen).allclose(_norms(right), rtol=1e-3):
        return Difference(name, "permuted")

    for other, shape in wanted.shapes.items():
        if shape == tuple(right.shape) and other != name and _layer(other) == _layer(name):
            if _near(seen, wanted.read(other).float(), seen):
                return Difference(name, "swapped")

    return Difference(name, "other")


def _near(one: Tensor, other: Tensor, size: Tensor) -> bool:
    return bool((one - other).norm() <= ALIKE * size.norm())


def _norms(tensor: Tensor) -> Tensor:
    """Of the rows, in order: the same where rows changed places only."""
    if tensor.ndim > 1:
        return tensor.flatten(1).norm(dim=1).sort().values
    return tensor.sort().values


def _layer(name: str) -> list[str]:
    return [part for part in name.split(".") if part.isdigit()]


def tensor_faults(wanted: Stored, found: Stored, base: Callable[[str], Tensor | None]) -> list[Fault]:
    """What is missing or too much first, then what was done to the others, the most frequent first."""
    faults = _missing(wanted, found)
    made = differences(wanted, found, base)
    if not made:
        return faults

    foreign = {found.files[one.name] for one in made if one.relation == "other"}
    others = [one for one in made if one.relation == "other"]

    of_one_file = len(foreign) == 1 and len(set(found.files.values())) > 1 and len(others) > 2
    if of_one_file and len(others) == len(made):
        file = foreign.pop()
        return [*faults, _fault("shard-of-another-run", f"All tensors that differ stand in {file}.", AGAIN)]
    if len(others) > NEARLY_ALL * len(wanted.shapes):
        what = f"{len(others)} of {len(wanted.shapes)} tensors are neither the base's nor the tune's."
        return [*faults, _fault("weights-of-another-run", what, AGAIN)]

    counted: Counter[Relation] = Counter(one.relation for one in made)
    return [
        *faults,
        *(_named(kind, [one for one in made if one.relation == kind]) for kind, _ in counted.most_common()),
    ]


AGAIN = "export the run again"


def _missing(wanted: Stored, found: Stored) -> list[Fault]:
    faults = []
    lost_files = sorted(set(wanted.files.values()) - set(found.files.values()))
    lost = [name for name in wanted.shapes if name not in found.shapes]
    more = [name for name in found.shapes if name not in wanted.shapes]
    shaped = [name for name in wanted.shapes if name in found.shapes and wanted.shapes[name] != found.shapes[name]]

    if lost_files:
        faults.append(
            _fault("shard-missing", f"The file {lost_files[0]} is missing, and with it {len(lost)} tensors.", AGAIN)
        )
    elif lost:
        if any(one.endswith("score.weight") for one in lost):
            name = "head-lost"
        elif all("magnitude" in one for one in lost):
            name = "magnitudes-lost"
        else:
            name = "tensor-missing"

        faults.append(_fault(name, f"{len(lost)} tensors are missing, such as {lost[0]}.", AGAIN))

    if more:
        untied = any("lm_head" in one or one == "output.weight" for one in more)
        fix = "leave the output layer out, as the base does"
        faults.append(_fault("untied" if untied else "tensor-added", f"{more[0]} should not be there.", fix))

    for name in shaped[:1]:
        rows, right = found.shapes[name][0], wanted.shapes[name][0]
        vocabulary = "embed" in name or "token_embd" in name or "lm_head" in name
        if vocabulary:
            if rows < right:
                kind = "row-missing"
            else:
                kind = "vocabulary-padded"
        else:
            kind = "shape-differs"
        faults.append(_fault(kind, f"{name} has {rows:,} rows, and should have {right:,}.", AGAIN))

    return faults


def _named(kind: Relation, made: list[Difference]) -> Fault:
    first = made[0]
    if len(made) > 1:
        many = f"{len(made)} tensors, such as {first.name},"
    else:
        many = f"{first.name}"

    if kind == "scaled":
        return _fault(_scaled_name(first.scale), f"{many} hold {first.scale:.3g} times the tune.", AGAIN)

    words = {
        "overflow": ("overflow", "hold numbers that are none: they do not fit into this dtype.", "use bfloat16"),
        "zero": ("zeroed", "are zero.", AGAIN),
        "base": ("not-merged", "are those of the base: the tune is not in them.", AGAIN),
        "permuted": ("rows-permuted", "hold the right rows in another order (rotary halves and neighbours).", AGAIN),
        "swapped": ("swapped", "hold the tensor of another module.", AGAIN),
        "other": ("tensor-differs", "are neither the base's nor the tune's.", AGAIN),
    }  # fmt: skip
    name, what, fix = words[kind]

    return _fault(name, f"{many} {what}", fix)


def _scaled_name(scale: float) -> str:
    if abs(scale - 2) < 0.1:
        return "tune-twice"
    return "scale-changed"


def _fault(name: str, looks_like: str, fix: str) -> Fault:
    return Fault(name, "difference", looks_like, fix)
