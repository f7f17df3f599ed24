"""The bench of planted releases: what it plants, and that every name that it waits for is one that a proof can give."""

from __future__ import annotations

import re
from pathlib import Path

from bench.planted_releases import PAGE, PLANTED, main
from bench.releases.measure import SOUND, Row, kept
from bench.releases.runs import RUNS
from whet.release import diagnosis
from whet.release.catalogue import consumer_names, form_named

INSPECTION = Path(diagnosis.__file__).parent / "inspection"


def test_enough_is_planted_and_each_once() -> None:
    titles = [one.title for one in (*PLANTED, *SOUND)]
    assert len(PLANTED) >= 33 and len(SOUND) >= 20 and len(set(titles)) == len(titles)
    assert {one.run for one in (*PLANTED, *SOUND)} <= set(RUNS)
    for one in (*PLANTED, *SOUND):
        assert one.consumer in consumer_names()
        assert one.kind is None or one.kind in form_named(one.form).types


def test_every_name_is_one_that_a_proof_gives() -> None:
    given = {one.fault.name for one in diagnosis.SIGNATURES}
    for file in INSPECTION.glob("*.py"):
        given |= set(re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)*)"', file.read_text("utf-8")))
    assert not {name for one in PLANTED for name in one.names} - given


def test_the_tables_of_the_page_are_written_from_what_was_measured(tmp_path: Path, monkeypatch, capsys) -> None:
    page = tmp_path / "proofs.md"
    page.write_text(PAGE.read_text("utf-8"), "utf-8")
    monkeypatch.setattr("bench.planted_releases.PAGE", page)
    told = {"ids": "9/9", "fraction": 0.0, "mean": 2.5, "largest": 9.0, "stops": "8/8", "seconds": 1.0}
    kept(
        Row("BOS doubled", "lora", "merged", True, True, "bos-doubled", **told), tmp_path / "rows" / "BOS-doubled.json"
    )
    unseen = Row("BOS missing", "lora", "merged", False, False, "", **told)
    kept(unseen, tmp_path / "rows" / "BOS-missing.json")
    assert main(["--kept", "--json", "--home", str(tmp_path)]) == 1
    assert '{"planted": 2, "named": 1, "sound": 0, "refused_sound": 0}' in capsys.readouterr().out
    text = page.read_text("utf-8")
    assert "| BOS doubled | lora | merged | bos-doubled | 9/9 | 0.000 | 2.5 | 9 | 8/8 |" in text
    assert "| BOS missing | lora | merged | not seen |" in text
