"""The whole way round on nano: a model wears out, is corrected, and the next one takes its place and gives it back."""

from __future__ import annotations

from pathlib import Path

from bench.shown.story import KNOWN, NEW, rows_of, tell

QUICK = ("steps=80", "keep=false", "evaluate.forgetting=false", "evaluate.against=[base,constant]")


def test_a_model_wears_out_and_the_next_one_takes_its_place(tmp_path: Path) -> None:
    story = tell(tmp_path / "desk", 200, 60, 100, 60, settings=QUICK, start="base", here=True)
    assert story["first"]["ship"] == "yes" and story["calm"]["alarms"] == 0
    assert story["calm"]["right"] > 0.9 > 0.7 > story["shift"]["right"]

    assert NEW not in KNOWN and story["shift"]["suggestion"] in ("collect", "retrain")
    assert story["shift"]["examples_new"] > 0
    retrained = story["retrained"]
    assert retrained["new_rows"] > 0 and retrained["fresh_test"] > 0
    assert retrained["against_live"]["word"] == "better"

    canary = story["canary"]
    assert canary["on_both"] == 0 and 0 < canary["on_new"] < canary["clients"] / 2
    assert story["versions"] == {"promoted": ["desk@2"], "rolled_back": ["desk@1"]}
    assert story["promoted"] > 0.9 > story["rolled_back"]
    assert story["kills"] == 2 and story["lost_elsewhere"] == 0
    assert len(rows_of(story)) == 10
