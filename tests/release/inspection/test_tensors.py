"""What was done to a tensor is told by its numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from whet.release.inspection.tensors import Stored, differences, tensor_faults

Tensors = dict[str, Tensor]


def made() -> tuple[Tensors, Tensors]:
    """(base, tuned)"""
    generator = torch.Generator().manual_seed(0)
    names = [f"layers.{n}.{part}.weight" for n in range(2) for part in ("q", "k", "v", "up")]
    base = {name: torch.randn(8, 6, generator=generator) for name in names}
    return base, {name: one + 0.1 * torch.randn(8, 6, generator=generator) for name, one in base.items()}


def stored(tensors: Tensors, files: dict[str, str] | None = None) -> Stored:
    shapes = {name: tuple(one.shape) for name, one in tensors.items()}
    return Stored(shapes, files or dict.fromkeys(tensors, "a"), tensors.__getitem__)


Q, K = "layers.0.q.weight", "layers.0.k.weight"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda base, tuned: base[Q], "not-merged"),
        (lambda base, tuned: base[Q] + 2 * (tuned[Q] - base[Q]), "tune-twice"),
        (lambda base, tuned: base[Q] + 0.5 * (tuned[Q] - base[Q]), "scale-changed"),
        (lambda base, tuned: torch.zeros_like(tuned[Q]), "zeroed"),
        (lambda base, tuned: tuned[K], "swapped"),
        (lambda base, tuned: tuned[Q].roll(1, 0), "rows-permuted"),
        (lambda base, tuned: tuned[Q] / 0, "overflow"),
        (
            lambda base, tuned: tuned[Q] + torch.randn(8, 6, generator=torch.Generator().manual_seed(9)),
            "tensor-differs",
        ),
    ],
)
def test_each_change_has_its_name(change: object, name: str) -> None:
    base, tuned = made()
    found = dict(tuned) | {Q: change(base, tuned)}  # type: ignore[operator]
    assert [fault.name for fault in tensor_faults(stored(tuned), stored(found), base.get)] == [name]


def test_the_same_has_no_fault() -> None:
    base, tuned = made()
    assert not tensor_faults(stored(tuned), stored(dict(tuned)), base.get)


def test_the_scale_is_told() -> None:
    base, tuned = made()
    found = dict(tuned) | {Q: base[Q] + 3 * (tuned[Q] - base[Q])}
    (one,) = differences(stored(tuned), stored(found), base.get)
    assert one.scale == pytest.approx(3, rel=1e-4)


def test_a_shard_of_another_run() -> None:
    base, tuned = made()
    files = {name: name[:8] for name in tuned}
    other = torch.Generator().manual_seed(5)
    found = {
        name: torch.randn(8, 6, generator=other) if files[name] == "layers.1" else one for name, one in tuned.items()
    }
    assert [one.name for one in tensor_faults(stored(tuned, files), stored(found, files), base.get)] == [
        "shard-of-another-run"
    ]


@pytest.mark.parametrize(
    ("lost", "name"),
    [("score.weight", "head-lost"), ("layers.0.q.lora_magnitude_vector", "magnitudes-lost"), (Q, "tensor-missing")],
)
def test_what_is_missing_is_named(lost: str, name: str) -> None:
    _, tuned = made()
    tuned[lost] = torch.ones(2, 2)
    found = {key: one for key, one in tuned.items() if key != lost}
    assert tensor_faults(stored(tuned), stored(found), lambda key: None)[0].name == name


def test_rows_of_a_vocabulary_and_a_head_of_its_own() -> None:
    wanted = {"model.embed_tokens.weight": torch.ones(10, 4)}
    for rows, name in ((9, "row-missing"), (16, "vocabulary-padded")):
        found = {"model.embed_tokens.weight": torch.ones(rows, 4)}
        assert tensor_faults(stored(wanted), stored(found), lambda key: None)[0].name == name
    found = wanted | {"lm_head.weight": torch.ones(10, 4)}
    assert tensor_faults(stored(wanted), stored(found), lambda key: None)[0].name == "untied"
