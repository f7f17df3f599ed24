"""Each side on a tiny model, as the benchmark runs it: same tokens, same losses."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.arithmetic import disagreement, sides_of
from bench.run import measure, prepare
from bench.tasks import BY_NAME

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    return tmp_path_factory.mktemp("bench")


def sides(folder: Path, name: str):
    task = BY_NAME[name]
    prepare(folder, task)
    return task, sides_of(task, [measure(folder, task, side, 0) for side in task.sides])


@pytest.mark.parametrize("name", ["tiny-sft", "tiny-full", "tiny-dpo", "tiny-reward"])
def test_whet_and_trl_learn_the_same(folder: Path, name: str) -> None:
    """sides_of refuses sides that read other tokens."""
    task, found = sides(folder, name)
    for peer in task.sides[1:]:
        assert disagreement(found["whet"].losses, found[peer].losses) <= task.tolerance
    assert len(found["whet"].losses) == task.steps


def test_no_answer_is_preferred_before_the_first_update(folder: Path) -> None:
    _, found = sides(folder, "tiny-dpo")
    assert [side.losses[0] for side in found.values()] == pytest.approx([0.6931] * 3, abs=1e-3)


def test_both_write_as_many_tokens_as_asked(folder: Path) -> None:
    task, found = sides(folder, "tiny-generate")
    assert set(found) == set(task.sides)
    assert all(side.spreads["tokens_per_second"].median > 0 for side in found.values())


@pytest.mark.parametrize("name", ["tiny-grpo", "tiny-ppo"])
def test_answers_are_written_and_learned_from(folder: Path, name: str) -> None:
    task, found = sides(folder, name)
    assert set(found) == set(task.sides)
    assert all(side.spreads["answers_per_second"].median > 0 for side in found.values())
