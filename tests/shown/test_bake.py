"""A prompt that the bundled base follows is baked in: as good without it, and shorter requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.shown import bake


def test_the_messages_say_what_is_asked_for() -> None:
    truth = bake.messages(50)
    assert len(truth) > 45 and truth == bake.messages(50)
    assert all(set(said) == {"animal", "spot", "sender"} for said in truth.values())
    assert bake.parsed("no json") is None and bake.parsed('{"a": 1}') == {"a": 1}


@pytest.mark.slow
def test_without_the_prompt_as_with_it(tmp_path: Path) -> None:
    found = bake.run(tmp_path)
    assert found["base"] < 0.1 and found["prompted"] > 0.95, "the prompt is what makes the difference"
    assert found["tuned"] >= 0.8 and found["verdict"] == "better", found
    assert found["truth"]["tuned"] >= found["truth"]["prompted"] - 0.1
    assert found["request_tokens"]["saved"] > 40
    assert found["divergence"]["tuned"] < found["divergence"]["base"] / 20
    assert bake.draw(bake.Run.open(tmp_path / "runs" / "bake"), tmp_path / "bake.svg").is_file()


def test_a_small_one_goes_most_of_the_way(tmp_path: Path) -> None:
    quick = {"learning_rate": 6e-3, "evaluate.forgetting": "false", "evaluate.against": ["base"]}
    found = bake.run(tmp_path, rows=80, steps=5, **quick)
    assert found["base"] == 0 and found["divergence"]["tuned"] < found["divergence"]["base"] / 2, found
