"""Which alarms there were, who has been told of them, and what is still to be told.

The book is a small JSON file. An alarm is told once: its message waits in the book until somebody took it, and leaves
the book after that, so that a message that was under way when the process died goes out again under the same key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from whet.errors import RunError
from whet.monitoring.alarm import without_words, written_time
from whet.store.atomic import write_json
from whet.store.reading import read_json_file

BOOK = "alerts.json"
"""Its name in the folder of a watch."""
VERSION = 1
MOST_KEPT = 200
"""Alarms that are over and kept."""
FIRST_WAIT, LONGEST_WAIT = 60.0, 6 * 3600.0
"""Seconds until a message that was not taken is tried again, doubled each time."""
State = Literal["open", "acknowledged", "resolved"]
Kind = Literal["alarm", "acknowledged", "resolved"]


class Entry(TypedDict):
    """An alarm of the book."""

    question: str
    state: State
    noted: str | None
    """When the book heard of it first, and since when it is over."""
    ended: str | None
    told: bool
    """Whether somebody was told, or is about to be."""
    of: str | None
    """The alarm of the same cause."""
    sentence: str
    suggestion: str


class Message(TypedDict):
    """One that nobody has taken yet."""

    key: str
    """The same each time it is sent."""
    tries: int
    next: float
    """When it may be sent, in seconds since 1970."""
    body: dict[str, Any]


class AlertBook:
    def __init__(self, path: Path) -> None:
        """Raises RunFolderError for a file that is damaged."""
        self.path = path
        held = read_json_file(path, "version", "alarms", "queue") if path.exists() else {"alarms": {}, "queue": []}
        self.alarms: dict[str, Entry] = held["alarms"]
        self.queue: list[Message] = held["queue"]

    def save(self) -> None:
        over = [name for name, entry in self.alarms.items() if entry["state"] != "open"]
        for name in over[: max(0, len(over) - MOST_KEPT)]:
            del self.alarms[name]
        write_json(self.path, {"version": VERSION, "alarms": self.alarms, "queue": self.queue})

    def note(
        self, alarms: Sequence[Mapping[str, Any]], closed: Sequence[Mapping[str, Any]], tell: bool, content: bool
    ) -> list[str]:
        """Takes down what a look has seen: alarms that are open, and those that are over. With `tell`, a message for
        each cause that nobody was told of; with `content` it holds what people wrote, which the book's own entries
        never do. Gives the ids of the alarms that are new to the book. What was taken down before changes nothing, so
        that it may be done again."""
        new = [name for over in closed if (name := self._note_closed(over, tell))]
        for alarm in alarms:
            if alarm["id"] not in self.alarms:
                new.append(alarm["id"])
                self._add(without_words(alarm), None)
            for other in alarm["also"]:
                if other["id"] not in self.alarms:
                    self._add({**other, "suggestion": alarm["suggestion"]}, alarm["id"])

            entry = self.alarms[alarm["id"]]
            if tell and not entry["told"]:
                entry["told"] = True
                entry["of"] = next((other["id"] for other in alarm["also"] if self.alarms[other["id"]]["told"]), None)
                if entry["of"] is None:  # else somebody knows of this cause
                    self._queue("alarm", _worded(alarm) if content else without_words(alarm))
        return new

    def deliver(self, send: Callable[[str, dict[str, Any]], None], now: float | None = None) -> tuple[int, str]:
        """Sends what waits and is due, the oldest first, and writes the book after each message that was taken. `send`
        raises RunError where it was not. Gives how many were taken, and why the last was not."""
        sent, why, now = 0, "", time.time() if now is None else now
        for message in list(self.queue):
            if message["next"] > now:
                continue
            try:
                send(message["key"], message["body"])
            except RunError as error:
                why = error.what
                message["next"] = now + min(LONGEST_WAIT, FIRST_WAIT * 2 ** message["tries"])
                message["tries"] += 1
            else:
                self.queue.remove(message)
                sent += 1
            self.save()
        return sent, why

    @property
    def open(self) -> list[str]:
        return [name for name, entry in self.alarms.items() if entry["state"] == "open"]

    def _note_closed(self, closed: Mapping[str, Any], tell: bool) -> str | None:
        """Its id, where the book had not heard of it."""
        entry, alarm = self.alarms.get(closed["id"]), closed["alarm"]
        if entry is not None and entry["state"] != "open":
            return None
        unheard = entry is None
        entry = entry or self._add(alarm, closed["of"])
        entry["state"], entry["ended"] = closed["how"], closed["at"]
        unsaid = unheard and closed["of"] is None  # it began and ended between two looks
        if tell and (entry["told"] or unsaid) and entry["of"] is None:
            entry["told"] = True
            self._queue(closed["how"], {**alarm, "why": closed["why"]})
        return closed["id"] if unheard else None

    def _add(self, alarm: Mapping[str, Any], of: str | None) -> Entry:
        self.alarms[alarm["id"]] = {
            "question": alarm["question"],
            "state": "open",
            "noted": written_time(time.time()),
            "ended": None,
            "told": False,
            "of": of,
            "sentence": alarm["sentence"],
            "suggestion": alarm["suggestion"],
        }
        return self.alarms[alarm["id"]]

    def _queue(self, kind: Kind, alarm: Mapping[str, Any]) -> None:
        body = {"event": kind, **alarm}
        self.queue.append({"key": f"{alarm['id']}-{kind}", "tries": 0, "next": 0.0, "body": body})


def _worded(alarm: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in alarm.items() if key != "wordless"}
