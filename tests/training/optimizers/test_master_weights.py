"""The optimiser against torch's own, the schedule against its closed form, and state that survives a round trip."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from whet.errors import NonFiniteError
from whet.recipe.schema import Optimizer, Schedule
from whet.training.optimizers.bf16_adamw import round_stochastically
from whet.training.optimizers.master_weights import MasterOptimizer, learning_rate_at

CONSTANT = Schedule(kind="constant", warmup=0.0)


def weights(dtype: torch.dtype = torch.float32) -> dict[str, nn.Parameter]:
    torch.manual_seed(0)
    shapes = {"embed.weight": (12, 8), "layer.weight": (8, 8), "norm.weight": (8,)}
    return {name: nn.Parameter(torch.randn(shape).to(dtype)) for name, shape in shapes.items()}


def give_gradients(named: dict[str, nn.Parameter], seed: int, scale: float = 0.01) -> None:
    random = torch.Generator().manual_seed(seed)
    for parameter in named.values():
        parameter.grad = (torch.randn(parameter.shape, generator=random) * scale).to(parameter.dtype)


def test_a_rate_that_is_not_held_is_a_cosine_of_the_shortest_run() -> None:
    schedule, usual = Schedule(kind="hold", shortest=100), Schedule(kind="cosine")
    rates = [learning_rate_at(step, 400, 1.0, schedule, turned=50) for step in range(100)]
    assert rates == pytest.approx([learning_rate_at(step, 100, 1.0, usual) for step in range(100)], abs=1e-12)


def test_a_held_rate_waits_in_the_middle_of_the_cosine_and_then_falls_to_nothing() -> None:
    schedule = Schedule(kind="hold", shortest=100)
    waiting = [learning_rate_at(step, 400, 1.0, schedule) for step in range(60, 350)]
    assert waiting == pytest.approx([0.5] * 290)
    down = [learning_rate_at(step, 400, 1.0, schedule, turned=300) for step in range(299, 351)]
    assert down == sorted(down, reverse=True) and down[0] == pytest.approx(0.5) and down[-1] == pytest.approx(0.0)
    early = [learning_rate_at(step, 400, 1.0, schedule, turned=20) for step in range(19, 71)]
    assert early == sorted(early, reverse=True) and early[-1] == pytest.approx(0.0)


def test_adamw_equals_torchs_own_in_float32() -> None:
    ours, reference = weights(), weights()
    optimizer = MasterOptimizer(ours, Optimizer(weight_decay=0.1), 1e-2, 100, CONSTANT)
    matrices = [p for p in reference.values() if p.ndim == 2]
    vectors = [p for p in reference.values() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    theirs = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.99), eps=1e-8)
    for step in range(5):
        give_gradients(ours, step)
        give_gradients(reference, step)
        optimizer.step(step)
        theirs.step()
    for name in ours:
        torch.testing.assert_close(ours[name], reference[name], rtol=1e-5, atol=1e-6)


def test_bfloat16_weights_keep_steps_too_small_for_them() -> None:
    """A bf16 weight near 1 cannot take a step of 1e-4; its float32 original can, and they add up."""
    weight = {"layer.weight": nn.Parameter(torch.ones(4, 4, dtype=torch.bfloat16))}
    optimizer = MasterOptimizer(weight, Optimizer(), 1e-4, 1000, CONSTANT)
    for step in range(100):
        weight["layer.weight"].grad = torch.ones(4, 4, dtype=torch.bfloat16)
        optimizer.step(step)
    assert float(weight["layer.weight"].mean().detach()) == pytest.approx(0.99, abs=0.004)


def test_gradient_is_clipped_by_its_global_norm() -> None:
    named = weights()
    give_gradients(named, 0, scale=10.0)
    expected = math.sqrt(sum(float(p.grad.square().sum()) for p in named.values() if p.grad is not None))
    norm, _ = MasterOptimizer(named, Optimizer(clip=1.0), 1e-3, 10, CONSTANT).step(0)
    assert norm == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_changes_nothing(bad: float) -> None:
    named = weights()
    optimizer = MasterOptimizer(named, Optimizer(), 1e-3, 10, CONSTANT)
    before = {name: p.detach().clone() for name, p in named.items()}
    give_gradients(named, 0)
    grad = named["norm.weight"].grad
    assert grad is not None
    grad[3] = bad
    with pytest.raises(NonFiniteError, match="step 7"):
        optimizer.step(7)
    assert all(named[name].equal(before[name]) for name in named)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_state_round_trip_continues_bit_for_bit(kind: str, dtype: torch.dtype) -> None:
    settings = Optimizer(kind=kind)  # type: ignore[arg-type]
    whole, first = weights(dtype), weights(dtype)
    straight = MasterOptimizer(whole, settings, 1e-2, 6, Schedule())
    before = MasterOptimizer(first, settings, 1e-2, 6, Schedule())
    for step in range(3):
        for named, optimizer in ((whole, straight), (first, before)):
            give_gradients(named, step)
            optimizer.step(step)
    second = weights(dtype)
    after = MasterOptimizer(second, settings, 1e-2, 6, Schedule())
    after.load_state({name: tensor.clone() for name, tensor in before.state().items()})
    for step in range(3, 6):
        for named, optimizer in ((whole, straight), (second, after)):
            give_gradients(named, step)
            optimizer.step(step)
    assert all(whole[name].equal(second[name]) for name in whole)


def test_muon_orthogonalises_hidden_matrices_only() -> None:
    named = weights()
    before = {name: p.detach().clone() for name, p in named.items()}
    give_gradients(named, 0)
    MasterOptimizer(named, Optimizer(kind="muon"), 1e-2, 10, CONSTANT).step(0)
    change = (named["layer.weight"] - before["layer.weight"]).detach()
    singular = torch.linalg.svdvals(change)
    assert float(singular.max() / singular.min()) < 3  # all directions move about alike
    assert float((named["embed.weight"] - before["embed.weight"]).abs().max().detach()) == pytest.approx(1e-2, rel=1e-3)


def test_schedule_warms_up_and_comes_down() -> None:
    schedule = Schedule(kind="cosine", warmup=0.1, floor=0.2)
    rates = [learning_rate_at(step, 100, 1.0, schedule) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1.0) and rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.2 + 0.8 * 0.5)
    assert rates[99] == pytest.approx(0.2, abs=1e-3)
    assert learning_rate_at(55, 100, 1.0, Schedule(kind="linear", warmup=0.1)) == pytest.approx(0.5)


def lean(**keys: float) -> Optimizer:
    return Optimizer(state="bfloat16", **keys)  # type: ignore[arg-type]


def test_lean_state_takes_steps_too_small_for_its_weights() -> None:
    """Rounded to nearest they would all be lost: 1e-4 is a fortieth of what a bf16 weight near 1 can move."""
    weight = {"layer.weight": nn.Parameter(torch.ones(64, 64, dtype=torch.bfloat16))}
    optimizer = MasterOptimizer(weight, lean(), 1e-4, 1000, CONSTANT)
    for step in range(100):
        weight["layer.weight"].grad = torch.ones(64, 64, dtype=torch.bfloat16)
        optimizer.step(step)
    assert float(weight["layer.weight"].float().mean().detach()) == pytest.approx(0.99, abs=0.001)


def test_lean_state_follows_torchs_adamw_in_float32() -> None:
    """Float32 weights, so that only the moments are rounded: 8 bits of a step, on average over 4,096 numbers less."""
    torch.manual_seed(0)
    ours = {"layer.weight": nn.Parameter(torch.randn(64, 64))}
    reference = {"layer.weight": nn.Parameter(ours["layer.weight"].detach().clone())}
    start = ours["layer.weight"].detach().clone()
    optimizer = MasterOptimizer(ours, lean(weight_decay=0.1), 1e-2, 100, CONSTANT)
    theirs = torch.optim.AdamW(reference.values(), lr=1e-2, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
    for step in range(20):
        give_gradients(ours, step)
        give_gradients(reference, step)
        optimizer.step(step)
        theirs.step()
    moved, wanted = (side["layer.weight"].detach() - start for side in (ours, reference))
    assert float((moved - wanted).norm() / wanted.norm()) < 0.01


def test_lean_state_is_small_and_survives_a_round_trip() -> None:
    def made() -> tuple[dict[str, nn.Parameter], MasterOptimizer]:
        named = weights(torch.bfloat16)
        return named, MasterOptimizer(named, lean(), 1e-2, 100, CONSTANT)

    straight, optimizer = made()
    for step in range(3):
        give_gradients(straight, step)
        optimizer.step(step)
    stored = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    assert {tensor.dtype for name, tensor in stored.items() if not name.endswith("/step")} == {torch.bfloat16}
    resumed, other = made()
    other.load_state(stored)
    for named, which in ((straight, optimizer), (resumed, other)):
        for step in range(3, 6):
            give_gradients(named, step)
            which.step(step)
    for name in straight:
        assert torch.equal(straight[name], resumed[name])


def test_stochastic_rounding_is_right_on_average() -> None:
    """The standard error of 65,536 draws between neighbours one unit apart is at most 0.002 units."""
    value = torch.tensor([1.0 + 2**-9, -(1.0 + 2**-10), 3e-39, 0.0])
    noise = torch.randint(0, 1 << 16, (65_536, 4), dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    drawn = round_stochastically(value.repeat(65_536, 1), noise).double().mean(0)
    unit = torch.tensor([2**-7, 2**-7, 9.2e-41, 1.0], dtype=torch.float64)
    assert float(((drawn - value.double()) / unit).abs().max()) < 0.01


@pytest.mark.parametrize("settings", [Optimizer(), Optimizer(kind="muon"), lean()], ids=["adamw", "muon", "lean"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_step_in_parts_is_one_step(monkeypatch: pytest.MonkeyPatch, settings: Optimizer, dtype: torch.dtype) -> None:
    """A weight that is its own original must not be stepped again with the next part."""
    whole, parts = weights(dtype), weights(dtype)
    optimizers = [MasterOptimizer(whole, settings, 1e-2, 100, CONSTANT)]
    monkeypatch.setattr("whet.training.optimizers.master_weights.PART", 8)
    optimizers.append(MasterOptimizer(parts, settings, 1e-2, 100, CONSTANT))
    assert len(optimizers[1].parts) == len(parts)
    for named, optimizer in zip((whole, parts), optimizers, strict=True):
        for step in range(3):
            give_gradients(named, step)
            optimizer.step(step)
    for name in whole:
        assert torch.equal(whole[name], parts[name])
