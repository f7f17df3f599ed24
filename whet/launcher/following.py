"""A job that runs elsewhere is followed to its end: its events are told, and its state is asked for, ever more seldom
while nothing happens. A connection that is lost for a while is no matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from whet.errors import RunError
from whet.launcher.record import JobRecord, give_up, keep
from whet.launcher.service import Service
from whet.observer import Observer
from whet.store.atomic import append_line, plain
from whet.store.reading import iter_lines
from whet.store.run import Run

EVENTS = "events.jsonl"
FIRST_WAIT, LONGEST_WAIT, SLOWER = 1.0, 30.0, 1.5
"""Seconds between two questions; each time that nothing is new the next wait is longer."""
PATIENCE = 20
"""Questions in a row that may stay without an answer, each of them tried several times."""
ENDED = ("failed", "cancelled")
NUMBERS = {"train_loss": "loss", "valid_loss": "validation_loss", "full_valid_loss": "validation_loss"}
"""Of an event of the kind metrics, and what metrics.jsonl calls them."""


def follow(run: Run, record: JobRecord, service: Service, observer: Observer, sleep: Callable[[float], None]) -> None:
    """Until the job has succeeded. Raises RunError where it ends otherwise, or the service stays away."""
    name = record.get("job", "")
    known = {str(event.get("id")) for event in iter_lines(run.folder / EVENTS)}
    observer.phase(f"training at {service.place.url}")

    wait, silent, told = FIRST_WAIT, 0, record.get("status", "")
    while True:
        try:
            job = service.job(name)  # before its events: so that the last of them are there when it has ended
            fresh = service.events(name, known)
        except RunError as error:
            silent += 1
            if silent == 1:
                observer.note(f"the service does not answer ({error.what}); the job goes on there, and so do I")
            if silent > PATIENCE:
                error.fix = "the same command goes on where this one stopped"
                raise
            sleep(LONGEST_WAIT)
            continue

        silent = 0
        for event in fresh:
            known.add(str(event.get("id")))
            append_line(run.folder / EVENTS, json.dumps(plain(event)))
            tell(event, run, observer)

        status = str(job.get("status"))
        if status != told:
            keep(run, record, status=status)
            observer.note(f"job {name}: {status}")
        if status == "succeeded":
            take(job, run, record)
            return
        if status in ENDED:
            give_up(run, record)
            raise end_of(job, service)

        wait = FIRST_WAIT if fresh or status != told else min(LONGEST_WAIT, wait * SLOWER)
        told = status
        sleep(wait)


def tell(event: dict[str, Any], run: Run, observer: Observer) -> None:
    """A step with its numbers; of all else the message."""
    data = event.get("data")
    if event.get("type") == "metrics" and isinstance(data, dict) and isinstance(data.get("step"), int):
        facts = {ours: data[theirs] for theirs, ours in NUMBERS.items() if isinstance(data.get(theirs), int | float)}
        run.log({"step": data["step"], **facts})
        total = data.get("total_steps")
        observer.step(data["step"], total if isinstance(total, int) else data["step"], facts)
    elif message := event.get("message"):
        level = event.get("level")
        observer.note(f"{level}: {message}" if level in ("warn", "error") else str(message))


def take(job: dict[str, Any], run: Run, record: JobRecord) -> None:
    """What the service says of a job that has succeeded. Raises RunError where it names no model."""
    tuned = job.get("fine_tuned_model")
    if not isinstance(tuned, str) or not tuned:
        fix = "ask the service; the same command asks it again"
        raise RunError("the job has succeeded, and the service names no model of it", where=str(job.get("id")), fix=fix)

    facts: dict[str, Any] = {"tuned_model": tuned, "status": "succeeded"}
    if isinstance(job.get("trained_tokens"), int):
        facts["trained_tokens"] = job["trained_tokens"]
    method = job.get("method")
    numbers = job.get("hyperparameters")
    if isinstance(method, dict) and isinstance(method.get(method.get("type")), dict):
        numbers = method[method["type"]].get("hyperparameters") or numbers
    if isinstance(numbers, dict):
        facts["hyperparameters"] = numbers

    began, ended = job.get("started_at") or job.get("created_at"), job.get("finished_at")
    if isinstance(began, int | float) and isinstance(ended, int | float):
        facts["seconds"] = float(ended - began)
    keep(run, record, **facts)


def end_of(job: dict[str, Any], service: Service) -> RunError:
    """The service's own words, where it has any."""
    error = job.get("error")
    told: dict[str, Any] = error if isinstance(error, dict) else {}
    marks = [f"{key} {told[key]}" for key in ("code", "param") if told.get(key)]
    message = str(told.get("message") or "the service does not say why")
    what = f"the job {job.get('status')}: {message}" if job.get("status") == "failed" else "the job was cancelled"
    if marks:
        what += f" ({', '.join(marks)})"
    fix = "mend what it says; the same command then makes a new job of the same files"
    return RunError(what, where=f"{service.place.url}, {job.get('id')}", fix=fix)
