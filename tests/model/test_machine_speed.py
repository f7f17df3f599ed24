"""What is measured of a machine: the line through two sizes, and small models that really learn and write."""

from __future__ import annotations

import pytest

from whet.generation.throughput import seconds_of_a_step
from whet.model import machine_speed as calibrate
from whet.planning.machine import Calibration, machine_facts

SPEEDS = Calibration(
    machine_facts(),
    1,
    {"float32": {192: 30.0}, "bfloat16": {192: 30.0}},
    {"float32": 5e9, "bfloat16": 5e9},
    {},
    {},
    1.0,
    1e9,
)


def test_the_line_through_two_sizes_gives_what_made_it() -> None:
    """t = layers (o + 2 W B / r)."""
    layer, speed, answers = 3e-4, 2e10, 32
    seconds = {
        hidden: calibrate.LAYERS * (layer + 2 * calibrate._layer_weights(hidden) * answers / speed)
        for hidden in calibrate.TRIED
    }
    assert calibrate._pace(seconds, answers) == pytest.approx((layer, speed))


@pytest.mark.parametrize("hidden", calibrate.TRIED)
def test_weights_of_a_layer_are_those_of_the_model(hidden: int) -> None:
    layer = calibrate.small_model(hidden, "float32").model.layers[0]
    assert calibrate._layer_weights(hidden) == sum(p.numel() for p in layer.parameters() if p.dim() == 2)


def test_a_small_model_learns_and_writes_and_both_take_time() -> None:
    model = calibrate.small_model(192, "float32")
    assert 0 < seconds_of_a_step(model) < 1
    assert 0 < calibrate._excess(model, "float32", SPEEDS) < 100
    assert calibrate._disk() > 10**6
