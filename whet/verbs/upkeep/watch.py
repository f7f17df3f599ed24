"""One pass of a watch over a model in use: look at what came since the last, and tell of each alarm once."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whet.errors import InputError, RunFolderError
from whet.model.saved_model import read_facts
from whet.monitoring.alerts.book import BOOK, AlertBook
from whet.monitoring.alerts.figures import figures_of, write_figures, write_textfile
from whet.monitoring.alerts.webhook import Webhook
from whet.monitoring.logs.reading import ReadLog
from whet.monitoring.memory.source import LogSource, Source
from whet.monitoring.standing import StandingWatch, state_folder, watched_model
from whet.observer import Observer, Silent
from whet.recipe.keywords import in_python
from whet.reports.result import Result
from whet.store import model_registry
from whet.store.atomic import make_folder
from whet.store.lock import Lock
from whet.store.run import DEFAULT_ROOT, Run
from whet.verbs.monitor import expected_of, page_of

LOCK = "watch.lock"


@in_python
def watch(
    model: Run | str | Path,
    log: Path | str | Source,
    served_as: str | None = None,
    known: Path | str | None = None,
    state: Path | str | None = None,
    webhook: str | None = None,
    prometheus: Path | str | None = None,
    content: bool = False,
    acknowledge: str | None = None,
    why: str | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> Result:
    """One pass: the requests since the last one are looked at, what is known goes into the folder `state`, and of each
    new cause one message goes to `webhook`. A pass that is killed at any point is made good by the next; while another
    pass is at work, this one does nothing, and says so (`busy`).

    `log` is the path of a log, or a service (`ServiceSource` of whet/server/traces/opening.py). `prometheus` is a file
    that node_exporter reads. `content` puts what people wrote into the messages. `acknowledge` ends an alarm, by its
    id, in the place of a pass: what was new is known from there on; `why` is kept with it. Messages that nobody took
    are tried again at later passes (`undelivered`). Raises InputError for a record without a time, an alarm that is not
    there, or a webhook that is no URL.
    """
    observer = observer or Silent()
    if why is not None and acknowledge is None:
        raise InputError("this says why an alarm ends", where="--why", value=why, fix="add --acknowledge ALARM")
    hook = None if webhook is None else Webhook(webhook)
    run = model_registry.find_run(model, run_root)
    read_facts(run.model)
    source = LogSource(log) if isinstance(log, str | Path) else log
    folder = Path(state) if state is not None else state_folder(run.folder, source, served_as)

    _make_private(folder)
    lock = Lock(folder / LOCK, "the watch")
    with ExitStack() as held:
        try:
            held.enter_context(lock)
        except RunFolderError:
            if not lock.busy:
                raise
            return Result({"model": str(model), "run": run.name, "busy": True, "alarms": [], "state": str(folder)})
        with run.looking():
            observer.phase("reading what it learned")
            expected = expected_of(run, known, run_root, observer)
        standing = StandingWatch(folder, watched_model(run.name, source, served_as, expected), expected)
        if acknowledge is not None:
            standing.lookout.acknowledge(acknowledge, why)
            standing.save()
        observer.phase("looking at the requests")
        told = Telling(str(model), hook, content, None if prometheus is None else Path(prometheus))
        passed = pass_over(standing, source if acknowledge is None else None, told)
        path = str(source.path) if isinstance(source, LogSource) else None
        page = page_of(str(model), run, _read_of(source), standing.lookout, folder, path)
    observer.done()
    return Result(page | {"busy": False, "state": str(folder)} | passed)


def _make_private(folder: Path) -> None:
    """Others may not read it: it holds words of the latest prompts."""
    if not folder.exists():
        make_folder(folder)
        os.chmod(folder, 0o700)


def _read_of(source: Source) -> ReadLog:
    """What was read of a log, besides its requests."""
    stream = source.stream if isinstance(source, LogSource) else None
    return ReadLog([], stream.form, stream.unread, stream.first_unread) if stream else ReadLog([], "traces", 0, "")


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told, and of what."""

    model: str
    hook: Webhook | None = None
    content: bool = False
    prometheus: Path | None = None


def pass_over(standing: StandingWatch, source: Source | None, telling: Telling) -> dict[str, Any]:
    """Takes what came, where there is a source, and tells of it: the book, the webhook, Prometheus. What is known is
    saved before anybody is told, so that whoever is told once more is told of the same alarm."""
    taken = 0 if source is None else standing.catch_up(source)
    lookout = standing.lookout
    monitored = lookout.look()
    book = AlertBook(standing.folder / BOOK)
    alarms = [asdict(alarm) for alarm in monitored.alarms]
    new = book.note(alarms, lookout.closed, telling.hook is not None, telling.content)
    book.save()
    sent, trouble = book.deliver(telling.hook.send) if telling.hook is not None else (0, "")

    alarmed = [alarm.question for alarm in monitored.alarms]
    alarmed += [other["question"] for alarm in monitored.alarms for other in alarm.also]
    waiting = len(book.queue)
    figures = figures_of(telling.model, monitored.seen, alarmed, lookout.traces, waiting, time.time())
    write_figures(standing.folder, figures)
    if telling.prometheus is not None:
        write_textfile(telling.prometheus, figures)
    return {"new_traces": taken, "new": new, "sent": sent, "undelivered": waiting, "trouble": trouble or None}
