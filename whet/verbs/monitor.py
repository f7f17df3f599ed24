"""Does a model in use still fit those who ask it?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeGuard

from whet.data.prepare import prepared_of, read_rows
from whet.errors import InputError, RunFolderError, nearest
from whet.generation.collection.collector import read_prompts
from whet.model.saved_model import read_facts
from whet.monitoring.alarm import QUESTIONS, written_time
from whet.monitoring.evidence import ALPHA
from whet.monitoring.expected import Expected, answered
from whet.monitoring.feedback_rows import FeedbackForm, feedback_rows
from whet.monitoring.logs.reading import ReadLog, read_log
from whet.monitoring.looking import Lookout, without_copies
from whet.monitoring.memory.source import Source
from whet.monitoring.standing import STATE, OtherStateError, StandingWatch, state_folder, watched_model
from whet.monitoring.trace import LONGEST_ASKED, Trace, asked_first
from whet.observer import Observer, Silent
from whet.recipe.keywords import in_python
from whet.recipe.methods.base import PAIRED, MethodKeys
from whet.reports.result import Result
from whet.store import model_registry
from whet.store.atomic import write_text
from whet.store.reading import read_lines
from whet.store.run import DEFAULT_ROOT, Run
from whet.store.unchanged import refuse_changed_data
from whet.types import Row
from whet.verbs.inputs import read_data

NEWEST = 10_000
"""Requests of a service that are looked at where no watch knows of them."""


@in_python
def monitor(
    model: Run | str | Path,
    log: Path | str | Iterable[Trace] | Source,
    served_as: str | None = None,
    known: Path | str | None = None,
    rows: Path | str | None = None,
    state: Path | str | None = None,
    newest: int | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> Result:
    """What has changed since a model was tuned, by the requests in a log (whet/monitoring/logs lists the forms), by
    traces in the order in which they came, or by those of a service (`ServiceSource` of whet/server/traces/opening.py).

    `served_as` keeps the requests to that name alone. `known` is a file of prompts in the place of the training rows,
    where those are not here any more. `rows` is a new file, which what people said of answers is written into as rows
    of the run's method. Where a service's requests are watched (`whet watch`), what the watch knows is gone on from,
    and not changed; `state` is its folder, where that was named. `newest` looks at so many requests, and at no state.
    Raises InputError for a log without a request to the model, and for a file that is there.
    """
    observer = observer or Silent()
    if rows is not None and Path(rows).exists():
        raise InputError("this file is there already", where="--rows", value=str(rows), fix="name a new one")
    run = model_registry.find_run(model, run_root)
    read_facts(run.model)
    if rows is not None and not (run.folder / "answers.jsonl").exists():
        what = "the run has no answers to its test rows, which must stay out of what is written"
        raise InputError(what, where="--rows", value=str(rows), fix=f"whet eval {run.name} first")
    with run.looking():
        observer.phase("reading what it learned")
        expected = expected_of(run, known, run_root, observer)
        observer.phase("reading the log")
        standing, unused = None, None
        if is_source(log) and newest is None and rows is None:
            standing, unused = known_watch(run, log, served_as, expected, state)
        if standing is not None:
            assert is_source(log)
            standing.catch_up(log, save=False)
            observer.done()
            return Result(page_of(str(model), run, ReadLog([], "traces", 0, ""), standing.lookout, standing.folder))

        read = read_requests(log, newest)
        traces = of_model(read, served_as)
        observer.phase("looking at the requests", len(traces))
        lookout = Lookout(expected)
        lookout.take(traces)
        written = None if rows is None else write_rows(traces, run, expected, Path(rows))
    observer.done()
    page = page_of(str(model), run, read, lookout, None, str(log) if isinstance(log, str | Path) else None)
    page["looked_at"]["state_unused"] = unused
    return Result(page | ({"feedback": written} if written else {}))


def page_of(
    model: str, run: Run, read: ReadLog, lookout: Lookout, state: Path | None, log: str | None = None
) -> dict[str, Any]:
    """All that is told of what was looked at."""
    seen, times = lookout.look(), lookout.times or [None, None]
    return {
        "model": model,
        "run": run.name,
        "alarms": [_told(asdict(alarm)) for alarm in seen.alarms],
        "closed": lookout.closed,
        "looked_at": {
            "log": log,
            "form": read.form,
            "unread": read.unread,
            "first_unread": read.first_unread or None,
            "from": written_time(times[0]),
            "until": written_time(times[1]),
            "versions": dict(lookout.versions.requests),
            "false_alarms_at_most": ALPHA,
            "state": None if state is None else str(state),
            "questions": {
                name: {
                    "asks": QUESTIONS[name],
                    "watched": one.watched,
                    "sentence": one.sentence,
                    "traces": one.traces,
                    **one.facts,
                }
                for name, one in seen.seen.items()
            },
        },
        "traces": lookout.traces,
    }


def is_source(log: object) -> TypeGuard[Source]:
    return hasattr(log, "since") and hasattr(log, "spoken_of")


def known_watch(
    run: Run, source: Source, served_as: str | None, expected: Expected, state: Path | str | None
) -> tuple[StandingWatch | None, str | None]:
    """The watch over these requests, where there is one, or why the one that is there does not help. Raises InputError
    for a folder that was named and holds none."""
    folder = Path(state) if state is not None else state_folder(run.folder, source, served_as)
    if not (folder / STATE).exists():
        if state is None:
            return None, None
        fix = "name the --state of whet watch, or leave it out"
        raise InputError("no watch has its state here", where="--state", value=str(state), fix=fix)
    try:
        return StandingWatch(folder, watched_model(run.name, source, served_as, expected), expected), None
    except OtherStateError as error:
        if state is not None:
            raise
        return None, f"the state in {folder} is not used: {error.what}"


def read_requests(log: Path | str | Iterable[Trace] | Source, newest: int | None) -> ReadLog:
    """A record that came twice is one."""
    if isinstance(log, str | Path):
        read = read_log(Path(log))
    else:
        read = ReadLog(list(log.latest(newest or NEWEST) if is_source(log) else log), "traces", 0, "")  # type: ignore[arg-type]
    return replace(read, traces=without_copies(read.traces))


def write_rows(traces: Sequence[Trace], run: Run, expected: Expected, path: Path) -> dict[str, Any]:
    """What people said, as rows that the run's method learns from, and what was left out."""
    form = form_for(run.recipe.method)
    found = feedback_rows(traces, form, expected.tests, expected.labels)
    if found.rows:
        write_text(path, "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in found.rows))
    return {
        "form": form,
        "file": str(path) if found.rows else None,
        "rows": len(found.rows),
        "left_out": found.left_out,
    }


def form_for(method: MethodKeys) -> FeedbackForm:
    if method.rows.only_marks:
        return "marks"
    if method.rows.forms <= PAIRED:
        return "pairs"
    return "labels" if method.target in ("class", "classes") else "answers"


def expected_of(run: Run, known: Path | str | None, run_root: Path | str, observer: Observer) -> Expected:
    """Raises RunFolderError where the training rows are not what was learned from."""
    labels: dict[str, None] = {}
    if known is not None:
        prompts = [asked_first(prompt) for prompt in read_prompts(str(known), None)]
    else:
        _refuse_changed(run)
        source = read_data(run.recipe, run_root, observer)
        prompts = []
        for row in () if run.recipe.method.rows.as_text else read_rows(run.recipe, prepared_of(source), ("trained",)):
            prompts.append(asked_first(row.prompt) or (row.text or "")[:LONGEST_ASKED])
            labels |= dict.fromkeys(labels_in(row))
        if run.recipe.method.rows.per_tree:
            prompts = list(dict.fromkeys(prompts))  # a prompt of several pairs was drawn once

    told = [text for text in prompts if text.strip()]
    answers = run.folder / "answers.jsonl"
    if not answers.exists():
        return Expected(told, list(labels))
    metric = run.read_json("evaluation.json", "metric")["metric"]["name"]
    return answered(list(read_lines(answers)), metric, told, list(labels))


def labels_in(row: Row) -> list[str]:
    """The classes of a row with a label."""
    if isinstance(row.target, list):
        return row.target
    return [row.label] if row.label else []


def _refuse_changed(run: Run) -> None:
    try:
        refuse_changed_data(run)
    except RunFolderError as error:
        fix = "restore the data; or give prompts like those that it was trained on: --known FILE"
        raise RunFolderError(error.what, where=error.where, value=error.value, fix=fix) from error


def of_model(read: ReadLog, served_as: str | None, named: str = "--served-as", given: str = "--from") -> list[Trace]:
    """Those that were answered to somebody. Raises InputError where no request was to it; `named` and `given` are what
    the name and the log are called where they come from."""
    told = [trace for trace in read.traces if trace.shadow_of is None]
    if not told:
        raise InputError("there are no requests to look at", where=given, fix="look again once it has been asked")
    if served_as is None:
        return told
    names = {trace.model for trace in told if trace.model}
    kept = [trace for trace in told if trace.model == served_as]
    if not kept:
        fix = f"the log holds requests to {', '.join(sorted(names)) or 'no named model'}"
        what = f"no request was to this model{nearest(served_as, names)}"
        raise InputError(what, where=named, value=served_as, fix=fix)
    return kept


def _told(alarm: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in alarm.items() if key != "wordless"}
