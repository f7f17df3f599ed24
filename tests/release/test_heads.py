"""Models with a head leave merged, and are proved by their scores."""

from __future__ import annotations

from pathlib import Path

import pytest

import whet
from tests.release.made_runs import made_head
from whet.errors import InputError, ProofError
from whet.observer import Silent
from whet.release.golden_of_run import golden_of


@pytest.mark.parametrize("kind", ["classify", "reward"])
def test_a_head_is_proved_by_its_scores(kind: str, tmp_path: Path) -> None:
    run = made_head(tmp_path, kind)
    told = whet.export(run, "merged", out=tmp_path / "out")
    golden, (proof,) = golden_of(run, Silent()), told["proofs"]
    assert len(golden.scores) >= 12 and not golden.cases
    assert {len(row.scores) for row in golden.scores} == {2 if kind == "classify" else 1}
    assert len({tuple(row.scores) for row in golden.scores}) > 10, "each text has a score of its own"
    assert told["proved"] and proof["measured"]["ids_equal"] == proof["measured"]["ids_compared"] == len(golden.scores)
    assert "AutoModelForSequenceClassification" in told["commands"]["transformers"]
    with pytest.raises(InputError, match="use the form merged"):
        whet.export(run, "adapter")
    with pytest.raises(ProofError, match="gives no scores of a head"):
        whet.prove(run, url="http://127.0.0.1:1/v1")
