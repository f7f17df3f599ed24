"""The rows are sent and the job is made, each once, whatever is lost on the way."""

from __future__ import annotations

import hashlib
from typing import Any

from whet.data.prepare import Prepared
from whet.errors import DataError, count
from whet.launcher.place import Place
from whet.launcher.record import JobRecord, SentFile, keep
from whet.launcher.request import body_of
from whet.launcher.rows_to_send import lines_of, parts_of
from whet.launcher.service import Service, id_of
from whet.observer import Observer
from whet.recipe.schema import Recipe
from whet.store.atomic import make_folder, write_text
from whet.store.run import Run
from whet.text.wording import is_finite, plain_word, size

FOLDER = "sent"
"""In the run's folder: what left this machine, byte for byte."""


def write_rows(run: Run, recipe: Recipe, prepared: Prepared, record: JobRecord) -> None:
    """What is to be sent, as files of the run. Raises DataError, naming a row that the API has no words for."""
    folder = run.folder / FOLDER
    make_folder(folder)

    files: dict[str, SentFile] = {}
    for part, fates in parts_of(prepared, together="own_words" in record).items():
        lines = list(lines_of(recipe, prepared, fates))
        content = "".join(f"{line}\n" for line in lines)
        write_text(folder / f"{part}.jsonl", content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        name = f"whet-{record.get('token')}-{part}.jsonl"
        facts: SentFile = {
            "name": name,
            "rows": len(lines),
            "bytes": len(content.encode()),
            "sha256": digest,
            "id": None,
        }
        if (before := record.get("files", {}).get(part)) and before["id"]:
            _refuse_other(before, facts, run)
            facts = before
        files[part] = facts

    if files != record.get("files"):
        keep(run, record, files=files)


def send_rows(run: Run, record: JobRecord, service: Service, observer: Observer) -> None:
    """Uploads what is not there yet. Raises InputError, RunError."""
    for part, file in record.get("files", {}).items():
        if file["id"]:
            continue
        rows = count(file["rows"], f"{part} row")
        observer.phase(f"sending {rows} ({size(file['bytes'])}) to {service.place.url}")
        content = (run.folder / FOLDER / f"{part}.jsonl").read_bytes()
        made = service.made_once(
            lambda name=file["name"], content=content: service.upload(name, content),
            lambda name=file["name"]: service.file_named(name),
            begun=True,  # a killed process may have sent it
        )
        file["id"] = id_of(made, "file", service.place.url)
        keep(run, record)
        observer.note(f"sent {rows} as {file['id']}; no test row is among them")


def make_job(
    run: Run,
    recipe: Recipe,
    record: JobRecord,
    place: Place,
    service: Service,
    numbers: dict[str, Any],
    observer: Observer,
) -> str:
    """The id of the job, made now or before. Raises InputError, RunError."""
    if job := record.get("job"):
        return job

    body = body_of(recipe, run, record, place, numbers)
    token, training = record.get("token", ""), body["training_file"]
    begun = "request" in record
    observer.phase(f"asking {place.url} for the job")
    if not begun and (estimate := service.estimate(body)) is not None:
        observer.note(f"the service's own estimate: {format_estimate(estimate)}")
        keep(run, record, estimate=estimate)

    keep(run, record, request=body)
    made = service.made_once(
        lambda: service.create(body), lambda: service.job_of(token, training, record.get("given_up", [])), begun
    )
    job = id_of(made, "job", place.url)
    keep(run, record, job=job, status=str(made.get("status", "")))
    observer.note(f"job {job} at {place.url}")
    return job


def format_estimate(estimate: dict[str, Any]) -> str:
    """Its plain values, in the service's own words."""
    told = estimate.get("sentence") or estimate.get("summary")
    if isinstance(told, str):
        return told
    parts = []
    for key, value in estimate.items():
        if key.endswith("_bytes") and is_finite(value):
            parts.append(f"{key.removesuffix('_bytes')} {size(value)}")
        elif isinstance(value, str | int | float) and key not in ("object", "model"):
            parts.append(f"{key} {plain_word(value)}")
    return ", ".join(parts)


def _refuse_other(before: SentFile, now: SentFile, run: Run) -> None:
    if before["sha256"] != now["sha256"]:
        what = "these rows are others than those that were sent for this run"
        raise DataError(what, where=str(run.folder / FOLDER), fix="give another --name")
