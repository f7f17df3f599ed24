"""Proof that nothing was chosen on the test rows: which rows chose, which rows judge, and that they share none."""

from __future__ import annotations

from typing import Any

import numpy as np

from whet.data.ledger import FATES, Ledger
from whet.errors import ProofError
from whet.evaluation.comparison.comparison_facts import DisjointFacts
from whet.store.run import Run


def rows_by_part(ledger: Ledger) -> dict[str, list[int]]:
    """Indices in the input of the rows of each part."""
    fate_R = ledger.columns()["fate"]
    parts = ("trained", "validation", "test")
    return {part: np.flatnonzero(fate_R == FATES.index(part)).tolist() for part in parts}


def prove_disjoint(ledger: Ledger) -> DisjointFacts:
    """Counts of each part, and of rows and contents that the test shares with what was trained or chosen on. Raises
    ProofError for a row in two parts."""
    parts = rows_by_part(ledger)
    test, seen = set(parts["test"]), set(parts["trained"]) | set(parts["validation"])
    if test & seen:
        raise ProofError("a row is in the test and in what was learned or chosen on", value=sorted(test & seen)[:5])
    contents = {ledger.entry(row).hash for row in seen}
    same = sum(ledger.entry(row).hash in contents for row in test)

    return {"rows": {part: len(found) for part, found in parts.items()}, "shared_rows": 0, "same_content": same}


def chosen_checkpoint(run: Run) -> dict[str, Any] | None:
    """Which checkpoint the tuned model is, and the validation that chose it; None without a training."""
    if not (run.folder / "training.json").exists():
        return None
    stopped = run.read_json("training.json", "stopped")["stopped"]
    return {"part": "validation"} | {key: value for key, value in stopped.items() if key.startswith("best_")}
