"""A base with other weights is noticed when a run is resumed, and a change on purpose is told whenever it goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.training.optimizers.test_rate_hold import run_in
from whet.errors import RunFolderError
from whet.store.unchanged import accepted_changes
from whet.training.changed_files import accepted_notes, refuse_changed_base


def base(fingerprint: str) -> Any:
    return SimpleNamespace(name="nano", fingerprint=fingerprint)


def test_a_checkpoint_is_not_put_over_another_base(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    for _ in range(2):
        refuse_changed_base(run, base("aa"))
    with pytest.raises(RunFolderError, match="the base has other weights than when this run began"):
        refuse_changed_base(run, base("bb"))


def test_a_change_on_purpose_is_told_with_the_step(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    assert accepted_notes(run) == [] and accepted_changes(run) == {}
    noted = [{"file": "method.rewards.0.function", "before": "a", "after": "b", "step": 20, "at": "now"}]
    run.write_json("run.json", run.read_json("run.json") | {"accepted_changes": noted})
    assert "method.rewards.0.function was changed on purpose" in accepted_notes(run)[0]
    assert "steps from 20 on" in accepted_notes(run)[0] and accepted_changes(run) == {"accepted_changes": noted}
