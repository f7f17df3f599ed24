"""A tuned model teaches the plain base on the base's own answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.shown import distil


@pytest.mark.slow
def test_the_student_comes_near_its_teacher(tmp_path: Path) -> None:
    found = distil.run(tmp_path)
    assert found["references"] == "the rows' own answers" and found["base"] < 0.1
    assert found["teacher"] > 0.5 and found["tuned"] >= 0.1 and found["verdict"] == "better", found
    assert found["divergence"]["tuned"] < found["divergence"]["base"] / 4
    assert distil.draw(distil.Run.open(tmp_path / distil.STUDENT), tmp_path / "distil.svg").is_file()


def test_a_small_one_comes_nearer(tmp_path: Path) -> None:
    """Seen: 0.11 nats a token of 0.26."""
    quick = {"evaluate.against": ["base"], "evaluate.forgetting": "false", "evaluate.max_new_tokens": 16}
    few = quick | {"steps": 10, "batch_tokens": 1024, "split.max_test": 4, "keep": "false"}
    asked = quick | {"steps": 4, "method.prompts": 8, "split.max_validation": 6}
    found = distil.run(tmp_path, 120, 40, 60, 12, teacher_settings=few, warm_settings=few, **asked)
    assert found["divergence"]["tuned"] < 0.8 * found["divergence"]["base"], found
