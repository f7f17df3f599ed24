"""The benchmark's arithmetic on made-up lines: medians, ratios, agreement, goals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from bench.arithmetic import SidesDiffer, disagreement, outcome, sides_of
from bench.limit import HEAD_PARAMETERS, LINEAR_PARAMETERS, flop, share_of_limit
from bench.measure import Steps
from bench.plot import svg
from bench.run import keep, turns
from bench.table import results
from bench.tasks import BY_NAME, PEERS, TASKS, faster, smaller

SFT = BY_NAME["sft-lora"]


def line(side: str, rate: float, **more: Any) -> dict[str, Any]:
    facts = {"tokens_per_second": rate, "peak_memory_bytes": 1_000, "losses": [2.0, 1.0], "digest": "d"}
    return {"task": "sft-lora", "side": side, "repeat": 0, "settings": side, **facts, **more}


THREE = [line("whet", 900), line("trl-default", 100), line("trl-best", 200)]


def test_the_middle_repeat_counts_and_one_slow_repeat_does_not() -> None:
    found = sides_of(SFT, [line("whet", rate) for rate in (10, 500, 480)])["whet"].spreads["tokens_per_second"]
    assert (found.median, found.low, found.high, found.count) == (480, 10, 500, 3)


def test_a_ratio_is_taken_against_the_fastest_peer() -> None:
    found = outcome(SFT, faster(4), sides_of(SFT, THREE))
    assert (found.value, found.met) == (4.5, True)
    assert outcome(SFT, faster(5), sides_of(SFT, THREE)).met is False


def test_memory_is_held_against_the_smallest_peer_and_must_be_below() -> None:
    lines = [
        line("whet", 1, peak_memory_bytes=40),
        line("trl-default", 1, peak_memory_bytes=80),
        line("trl-best", 1, peak_memory_bytes=200),
    ]
    found = outcome(SFT, smaller(0.4), sides_of(SFT, lines))
    assert (found.value, found.met) == (0.5, False)


def test_speed_does_not_count_when_the_losses_differ() -> None:
    lines = [line("whet", 900, losses=[2.0, 1.1]), *THREE[1:]]
    found = outcome(SFT, faster(4), sides_of(SFT, lines))
    assert found.met is False and "does not count" in found.reason and "10.00%" in found.reason


def test_a_loss_that_is_not_a_number_never_agrees() -> None:
    lines = [line("whet", 900, losses=[2.0, math.nan]), *THREE[1:]]
    assert outcome(SFT, faster(4), sides_of(SFT, lines)).met is False


def test_the_largest_difference_of_any_step_counts_not_the_last() -> None:
    assert disagreement([2.2, 1.0], [2.0, 1.0]) == pytest.approx(0.1)


def test_curves_of_other_lengths_are_refused() -> None:
    with pytest.raises(SidesDiffer, match="1 and 2 steps"):
        disagreement([1.0], [1.0, 2.0])


def test_sides_that_read_other_tokens_are_refused() -> None:
    with pytest.raises(SidesDiffer, match="other token ids"):
        sides_of(SFT, [THREE[0], line("trl-best", 200, digest="e")])


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert outcome(SFT, faster(4), sides_of(SFT, THREE[1:])).met is None
    assert outcome(SFT, faster(4), sides_of(SFT, THREE[:2])).met is None
    share = next(goal for goal in SFT.goals if goal.measure == "share_of_limit")
    assert outcome(SFT, share, sides_of(SFT, THREE)).met is None
    missing = outcome(SFT, faster(4), sides_of(SFT, THREE[:1]))
    assert missing.reason == "trl-default, trl-best have not been measured"


def test_the_first_step_is_a_warm_up() -> None:
    steps = Steps()
    steps.stamps = [100.0, 101.0, 104.0]
    assert steps.rate([1_000_000, 30, 50]) == 20.0
    with pytest.raises(ValueError, match="3 steps were stamped"):
        steps.rate([1, 2])


def test_every_other_round_runs_backwards() -> None:
    assert [side for _, side in turns(SFT, 2)] == [*SFT.sides, *SFT.sides[::-1]]


def test_the_135m_shape_has_the_parameters_that_the_limit_counts() -> None:
    """Attention 2 x 576 x 576 + 2 x 192 x 576, MLP 3 x 576 x 1536, 30 times."""
    assert LINEAR_PARAMETERS == 30 * (2 * 576 * 576 + 2 * 192 * 576 + 3 * 576 * 1536)
    assert flop(10, 0, "lora") == 40 * LINEAR_PARAMETERS
    assert flop(0, 10, "full") == 60 * HEAD_PARAMETERS


def test_a_rate_at_the_limit_is_a_share_of_one() -> None:
    tokens, supervised, gflops = 1000, 400, 300.0
    seconds = 4 * (LINEAR_PARAMETERS * tokens + HEAD_PARAMETERS * supervised) / (gflops * 1e9)
    assert share_of_limit(tokens, supervised, "lora", tokens / seconds, gflops) == pytest.approx(1.0)
    assert share_of_limit(tokens, supervised, "lora", tokens / seconds / 2, gflops) == pytest.approx(0.5)


def test_a_new_line_replaces_that_side_and_leaves_the_others(tmp_path: Path) -> None:
    kept = tmp_path / "lines.jsonl"
    keep(kept, THREE)
    lines = keep(kept, [line("whet", 1)])
    assert {found["side"]: found["tokens_per_second"] for found in lines} == {
        "trl-default": 100,
        "trl-best": 200,
        "whet": 1,
    }
    assert keep(kept, []) == lines


def test_the_page_says_what_was_reached_and_what_was_not() -> None:
    page = results(TASKS, THREE, {"processor": "made up"})
    assert "| SFT with LoRA, 135M | at least 4 x the tokens/s | 4.50 x | met |" in page
    assert "| SFT with LoRA, 135M | at most 0.4 x the peak memory | 1.00 x | not met |" in page
    assert "| at least 60% of the matrix-multiply limit | - | not measured: share_of_limit" in page
    assert "largest difference from whet at a step: trl-default 0.000%" in page
    assert "DPO" not in page, "a task without a measurement is left out"


def test_the_plot_shows_every_side_of_every_training() -> None:
    drawn = svg(TASKS, THREE)
    assert drawn.count("<polyline") == len(SFT.sides) and all(f">{side}<" in drawn for side in SFT.sides)


def test_every_goal_against_a_peer_names_sides_that_are_measured() -> None:
    for task in TASKS:
        for goal in task.goals:
            assert set(goal.against) <= set(task.sides), task.name
    assert set(PEERS) <= set(SFT.sides)
