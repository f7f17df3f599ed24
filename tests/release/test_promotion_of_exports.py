"""What `whet export` leaves is what `whet models promote` asks for, and no longer once the weights are others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import whet
from tests.hand_made_runs import evaluation
from tests.reports.made_up_run import made_up_forgetting
from whet.errors import RunFolderError
from whet.release.inspection.kept_proofs import releases_of
from whet.store.atomic import write_json
from whet.store.checksums import seal
from whet.store.run import Run


def test_a_proved_export_makes_a_version_live_until_the_weights_are_others(own: Run, tmp_path: Path) -> None:
    cost = made_up_forgetting()
    kept = cost | {"measures": cost["measures"][:1], "word": "kept", "broken": [], "unclear": []}
    own.write_json("evaluation.json", evaluation() | {"forgetting": kept})
    models = whet.models(tmp_path / "runs")
    models.register("desk", own)
    with pytest.raises(RunFolderError, match="no release of it was proved"):
        models.promote("desk", 1)

    whet.export("desk@1", "adapter", out=tmp_path / "elsewhere", run_root=tmp_path / "runs")
    whet.export("desk@1", "adapter", out=tmp_path / "elsewhere", run_root=tmp_path / "runs")
    (kept,) = releases_of(own)
    assert kept.folder == str(tmp_path / "elsewhere") and kept.counts and kept.form == "adapter"
    assert models.promote("desk", 1).proofs == [kept.folder] and models[0].versions[0].stage == "live"
    assert models.lineage("desk@1")["releases"][0]["counts"]

    facts = own.read_json("model/whet.json")
    write_json(own.model / "whet.json", facts | {"scale": 0.5})  # as keep.scale does, which leaves an adapter's files
    seal(own.model)
    assert "of other weights" in releases_of(own)[0].why
    shutil.rmtree(tmp_path / "elsewhere")
    assert releases_of(own) == []


def test_proving_again_says_which_weights_were_asked(own: Run) -> None:
    whet.export(own, "adapter")
    (folder,) = (own.folder / "release").glob("adapter*")
    proof = own.read_json(f"release/{folder.name}/proof.json")
    write_json(folder / "proof.json", {key: one for key, one in proof.items() if key != "weights"})
    assert "does not say which weights" in releases_of(own)[0].why
    whet.prove(own)
    assert releases_of(own)[0].counts, "a proof of an earlier version is made good by proving again"
