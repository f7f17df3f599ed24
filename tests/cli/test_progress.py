"""Who watches a verb: told of its first phase, and done when the verb is, however it ends."""

from __future__ import annotations

import pytest

from whet.cli import progress
from whet.cli.progress import Quiet, watching


class Told(Quiet):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def phase(self, name: str, total: int | None = None) -> None:
        self.heard.append(name)

    def done(self) -> None:
        self.heard.append("done")


def test_an_observer_is_done_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    monkeypatch.setattr(progress, "observer", lambda: told)
    with pytest.raises(OSError, match="full"), watching("starting") as watch:
        watch.phase("training")
        raise OSError("full")
    assert told.heard == ["starting", "training", "done"]


def test_a_verb_that_begins_with_no_phase_of_its_own_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    monkeypatch.setattr(progress, "observer", lambda: told)
    with watching():
        pass
    assert told.heard == ["done"]
