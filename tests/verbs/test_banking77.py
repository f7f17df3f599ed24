"""The whole of Banking77 (77 intents, 10,003 rows) on the bundled base: some minutes, so marked slow."""

from __future__ import annotations

from pathlib import Path

import pytest

import whet


@pytest.mark.slow
def test_banking77_whole_is_better_than_the_base(tmp_path: Path, data_dir: Path) -> None:
    result = whet.tune(str(data_dir / "banking77" / "train.csv"), run_root=tmp_path / "runs")
    print(result["verdict"]["sentence"])
    assert result["metric"]["name"] == "accuracy"
    assert result["ledger"]["rows_in"] == 10_003
    assert result["base"]["score"] < 0.05
    assert result["tuned"]["score"] > 0.5
    assert result["verdict"]["word"] == "better" and result["difference"]["low"] > 0.4
