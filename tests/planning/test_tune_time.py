"""Seconds of a whole tune: each part against a count by hand, on a machine whose speeds are round numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.planning.test_machine import MEASURED
from whet.planning.beside_steps import Around
from whet.planning.memory import Setting
from whet.planning.public_models import PUBLIC
from whet.planning.time import excess, read_seconds, step_seconds
from whet.planning.tune_time import OPPONENTS, SPREAD, Pace, Work, Writing, seen_so_far, tune_seconds, written_seconds

SHAPE = PUBLIC["smollm2-135m"].shape
SETTING = Setting(tokens=1024, longest=100, rank=16, bytes_a_number=4)
MACHINE = replace(MEASURED, training={"float32": {192: 1.0}, "bfloat16": {192: 1.0}})
PACE = Pace(SHAPE, SETTING, MACHINE)
AROUND = Around(row=100, rows=5)
ANSWERS = Writing(answers=32, prompt=50, usual=10, most=40)
WORK = Work(steps=20, step_tokens=1000, row=100, supervised=0.5, test_tokens=500, test=ANSWERS)


def test_a_step_of_writing_costs_its_layers_its_products_and_what_it_moves() -> None:
    o, r = MACHINE.writing["float32"]
    values = 32 * (50 + 5) * 2 * SHAPE.key_heads * SHAPE.head_size * SHAPE.layers + 4 * 32 * SHAPE.vocabulary
    step = SHAPE.layers * o + 2 * SHAPE.passed * 32 / r + values * 4 / MACHINE.bandwidth["float32"]
    prompts = read_seconds(SHAPE, replace(SETTING, longest=50), 32 * 50, MACHINE, 0.0)
    assert written_seconds(PACE, ANSWERS, most=False) == pytest.approx(prompts + 10 * step)


def test_more_answers_than_slots_take_turns() -> None:
    """Continuous batching: as many steps as all tokens fill, so four times the answers of a full batch take four times
    the steps."""
    full = written_seconds(PACE, replace(ANSWERS, answers=128), most=True)
    many = written_seconds(PACE, replace(ANSWERS, answers=512), most=True)
    assert many == pytest.approx(4 * full)


def test_reading_is_a_third_of_learning_everything() -> None:
    """2 W of 6 W a token (Kaplan et al. 2020, section 2.1), for short rows of which nothing is supervised."""
    full = replace(SETTING, rank=None, longest=1)
    machine = replace(MACHINE, bandwidth={"float32": 1e30, "bfloat16": 1e30})
    read, learned = (of(SHAPE, full, 1000, machine, 0.0) for of in (read_seconds, step_seconds))
    assert learned == pytest.approx(3 * read, rel=0.001)


def test_only_supervised_tokens_meet_the_output_layer() -> None:
    few, all_ = (step_seconds(SHAPE, SETTING, 1000, MACHINE, share) for share in (0.1, 1.0))
    assert few < all_


def test_what_layers_were_seen_to_take_scales_a_step() -> None:
    assert excess(MEASURED, "float32", 192) == 1.5 and 1.2 < excess(MEASURED, "float32", 300) < 1.5
    update = step_seconds(SHAPE, SETTING, 0, MACHINE)
    plain = step_seconds(SHAPE, SETTING, 1000, MACHINE) - update
    assert step_seconds(SHAPE, SETTING, 1000, MEASURED) - update == pytest.approx(1.2 * plain)


def test_parts_add_up_and_lie_within_the_range() -> None:
    time = tune_seconds(PACE, replace(WORK, general_tokens=2000, kept=ANSWERS, replayed_tokens=200), AROUND)
    parts = (time.training, time.evaluation, time.opponents, time.forgetting, time.keep)
    assert time.total == sum(parts) and min(time.training, time.evaluation, time.forgetting, time.keep) > 0
    assert time.low * SPREAD < time.total < time.high / SPREAD


def test_opponents_are_bounded() -> None:
    endless = replace(WORK, opponents=Writing(10_000, 50, 10, 40))
    few = replace(WORK, opponents=Writing(1, 50, 10, 40))
    learned = WORK.steps * PACE.step(WORK.step_tokens, WORK.row, WORK.supervised)
    found = tune_seconds(PACE, endless, AROUND)
    assert found.opponents == pytest.approx(OPPONENTS * (learned + found.evaluation))
    assert 0 < tune_seconds(PACE, few, AROUND).opponents < found.opponents


def test_steps_that_took_twice_as_long_double_what_is_computed() -> None:
    planned = PACE.step(WORK.step_tokens, WORK.row, WORK.supervised)
    assert seen_so_far(WORK, PACE, [99 * planned, 2 * planned, 2 * planned]) == pytest.approx(2), (
        "the first is left out"
    )
    twice = replace(PACE, seen=2.0)
    assert twice.write(ANSWERS) == 2 * PACE.write(ANSWERS) and twice.step(100, 10, 1) == 2 * PACE.step(100, 10, 1)
