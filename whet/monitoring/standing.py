"""A watch that goes on: what it knows lies in a folder, and each pass takes the requests that came since the last."""

from __future__ import annotations

from dataclasses import asdict, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict

from whet.errors import RunFolderError
from whet.monitoring.expected import Expected
from whet.monitoring.looking import Lookout
from whet.monitoring.memory.position import Position
from whet.monitoring.memory.source import Source
from whet.monitoring.memory.state_file import BEGIN_ANEW, read_state, write_state
from whet.monitoring.trace import Trace
from whet.store.atomic import json_text

STATE = "state.npz"
SAVED_EACH = 50_000
"""Requests after which a long pass saves what it has: one that is killed goes on from there."""


class WatchedModel(TypedDict):
    """What a state is of."""

    run: str
    source: str
    served_as: str | None
    expected: str
    """A hash of what the run's answers are held to."""


class OtherStateError(RunFolderError):
    """A state of another watch."""


def watched_model(run: str, source: Source, served_as: str | None, expected: Expected) -> WatchedModel:
    held_to = sha256(json_text(asdict(expected)).encode()).hexdigest()
    return {"run": run, "source": source.name, "served_as": served_as, "expected": held_to}


def state_folder(run_folder: Path, source: Source, served_as: str | None) -> Path:
    """Where a watch's state lies if the user names no folder: with the service, else with the run."""
    named = sha256(f"{source.name}\n{served_as}".encode()).hexdigest()[:8]
    return (source.folder or run_folder / "watches") / f"{run_folder.name}-{named}"


class StandingWatch:
    """Raises OtherStateError for a folder with the state of another watch, RunFolderError for a damaged one."""

    def __init__(self, folder: Path, of: WatchedModel, expected: Expected) -> None:
        self.folder, self.of = folder, of
        self.lookout, self.position = Lookout(expected), Position()
        state = read_state(folder / STATE)
        if state is None:
            return
        _refuse_other(folder, of, state["of"])
        self.lookout.restore(state["lookout"])
        self.position = Position.restored(state["position"])

    def catch_up(self, source: Source, save: bool = True) -> int:
        """Looks at the requests since the last pass, and at what was said of earlier ones since. Gives how many
        requests there were. Memory stays bounded where requests come in order; a log that is not is held whole."""
        self._hear(source)
        news = self.position.news(filter(self._is_wanted, source.since(self.position.since)))
        if not source.in_order:
            news = iter(sorted(news, key=lambda trace: trace.at or 0.0))
        before = self.lookout.traces
        while self.lookout.take(islice(news, SAVED_EACH)) == SAVED_EACH:
            if save and source.in_order:
                self.save()
        self.lookout.forget(source.gone(self.lookout.ids))
        if save:
            self.save()
        return self.lookout.traces - before

    def save(self) -> None:
        """Raises DiskFullError or RunFolderError; the state that was there before is then untouched."""
        position = self.position.state()
        write_state(self.folder / STATE, {"of": self.of, "position": position, "lookout": self.lookout.state()})

    def _hear(self, source: Source) -> None:
        position, heard = self.position, self.position.heard
        if position.newest is None:
            return
        for trace in source.spoken_of(max(0.0, heard)):
            if self._is_wanted(trace) and position.has_seen(trace):
                earlier = tuple(said for said in trace.feedback if said.at is not None and said.at <= heard)
                self.lookout.hear([(replace(trace, feedback=earlier), trace)])
                position.note_heard(trace)

    def _is_wanted(self, trace: Trace) -> bool:
        return trace.shadow_of is None and self.of["served_as"] in (None, trace.model)


def _refuse_other(folder: Path, of: WatchedModel, found: dict[str, Any]) -> None:
    for key, what in (
        ("run", "this is the state of another run"),
        ("source", "this is the state of a watch over other requests"),
        ("served_as", "this is the state of a watch over requests to another name"),
        ("expected", "what the run is held to (training prompts, labels, test answers) is not what it was"),
    ):
        if found.get(key) != of[key]:  # type: ignore[literal-required]
            value = found.get(key) if key != "expected" else None
            raise OtherStateError(what, where=str(folder), value=value, fix=BEGIN_ANEW)
