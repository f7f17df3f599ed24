"""The forecast of a learning curve is checked by tuning on twice the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.shown import learning_curve


def test_a_small_curve_has_its_parts(tmp_path: Path) -> None:
    quick = {"evaluate.max_new_tokens": 2, "evaluate.against": ["base"]}
    found = learning_curve.run(tmp_path, rows=40, tests=12, steps=1, **quick)
    assert [point[0] for point in found["points"]] == sorted({point[0] for point in found["points"]})
    assert found["twice"]["rows"] > found["points"][-1][0] and Path(found["picture"]).is_file()


@pytest.mark.slow
def test_what_was_forecast_came_true(tmp_path: Path) -> None:
    found = learning_curve.run(tmp_path)
    if found["next"]:
        assert found["next"]["low"] <= found["twice"]["high"] and found["twice"]["low"] <= found["next"]["high"], found
    else:
        assert found["word"] == "undecided" and "cannot be forecast" in found["sentence"], found
    assert found["points"][0][1] < found["points"][-1][1], "more rows help this task"
