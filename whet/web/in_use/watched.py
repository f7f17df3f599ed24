"""What a watch over a model's requests (`whet watch`) wrote down: its alarms, and how one of them ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whet.monitoring.alerts.book import BOOK, AlertBook, Entry
from whet.monitoring.alerts.figures import FILE
from whet.monitoring.standing import STATE, state_folder
from whet.server.errors import ApiError, not_found
from whet.server.traces.opening import ServiceSource
from whet.store.reading import read_json_file
from whet.store.run import Run
from whet.web.asked import Asked

SHOWN = 50
"""Alarms of a page, the newest first."""


@dataclass(frozen=True, slots=True)
class Watch:
    folder: Path
    served_as: str | None
    """The name whose requests alone it looks at; None: all of the project."""
    alarms: list[tuple[str, Entry]]
    """By their ids, the newest first."""
    requests: int | None
    last_pass: float | None
    """Seconds since 1970; None where the watch says none."""


def run_of(asked: Asked, model: str) -> Run | None:
    """The run that answers under this name; None for a base. Raises ApiError 404."""
    return asked.service.answering.catalogue.find(model, asked.caller.project).run


def watches(asked: Asked, model: str) -> list[Watch]:
    """Those whose state lies where `whet watch` puts it by itself. Raises ApiError 404, RunFolderError for a damaged
    one."""
    run = run_of(asked, model)
    return [] if run is None else [_watch(folder, served_as) for folder, served_as in _folders(asked, run, model)]


def _folders(asked: Asked, run: Run, model: str) -> Iterator[tuple[Path, str | None]]:
    source = source_of(asked)
    for served_as in (model, None):
        folder = state_folder(run.folder, source, served_as)
        if (folder / STATE).is_file():
            yield folder, served_as


def source_of(asked: Asked) -> ServiceSource:
    settings = asked.service.settings
    return ServiceSource(settings.database or settings.home, asked.caller.project_name)


def _watch(folder: Path, served_as: str | None) -> Watch:
    book = AlertBook(folder / BOOK)
    figures = read_json_file(folder / FILE, "figures")["figures"] if (folder / FILE).is_file() else []
    values = {figure["name"]: figure["value"] for figure in figures}
    alarms = list(reversed(book.alarms.items()))[:SHOWN]
    requests = values.get("requests")
    return Watch(
        folder,
        served_as,
        alarms,
        None if requests is None else int(requests),
        values.get("last_pass_timestamp_seconds"),
    )


def acknowledge(asked: Asked, model: str, alarm: str, why: str) -> None:
    """Ends an open alarm: what was new is known from there on. Takes seconds. Raises ApiError 404, 409, WhetError."""
    from whet.verbs.upkeep.watch import watch

    run = run_of(asked, model)
    for one in watches(asked, model):
        if run is not None and dict(one.alarms).get(alarm, {}).get("state") == "open":
            root = run.folder.parent
            done = watch(run, source_of(asked), one.served_as, acknowledge=alarm, why=why or None, run_root=root)
            if done["busy"]:
                raise ApiError(409, "A pass of the watch is at work: try again when it is over.", code="watch_busy")
            return
    raise not_found("open alarm", alarm)
