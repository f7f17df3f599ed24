"""What a run knows of its job elsewhere, kept in elsewhere.json after each act: so nothing is sent or made twice."""

from __future__ import annotations

import secrets
from typing import Any, TypedDict, cast

from whet.errors import RunFolderError
from whet.launcher.place import Place
from whet.store.run import ELSEWHERE, Run


class SentFile(TypedDict):
    """A part of the rows at the service. `id` is None until the service has told it."""

    name: str
    rows: int
    bytes: int
    sha256: str
    id: str | None


class JobRecord(TypedDict, total=False):
    """elsewhere.json; what did not happen yet is left out."""

    url: str
    key: str | None
    model: str
    token: str
    """Made up for this run: in the names of its files and in the metadata of its job, by which both are found again
    where an answer of the service was lost."""
    own_words: dict[str, Any]
    """What a `whet serve` is told beside OpenAI's words (whet/launcher/whet_service.py); left out of others."""
    price: dict[str, Any]
    files: dict[str, SentFile]
    estimate: Any
    request: dict[str, Any]
    """The body that the job was, or is to be, made by."""
    job: str
    given_up: list[str]
    """Earlier jobs of this run, which failed or were cancelled."""
    status: str
    tuned_model: str
    trained_tokens: int
    hyperparameters: dict[str, Any]
    seconds: float
    """From the job's making to its end, by the service's clock."""


def refuse_other_place(run: Run, place: Place) -> None:
    """Raises RunFolderError for a run that was trained here, or at another place."""
    if not run.elsewhere:
        if (run.folder / "recipe.resolved.yaml").exists():
            what = f"run {run.name!r} is trained on this machine"
            raise RunFolderError(what, where=str(run.folder), fix="leave --at out, or give another --name")
        return

    record = read_record(run)
    for key, told, here in (("url", "--at", place.url), ("model", "--at-model", place.model)):
        if record.get(key) != here:
            what = f"run {run.name!r} is at {record.get('url')} with the base {record.get('model')}, and not {here}"
            raise RunFolderError(what, where=told, fix="give another --name")


def open_record(run: Run, place: Place) -> JobRecord:
    """Of this run, new or known."""
    if not run.elsewhere:
        record: JobRecord = {"token": secrets.token_hex(6)}
        return keep(run, record, url=place.url, key=place.key, model=place.model)

    record = read_record(run)
    if record.get("key") != place.key:
        keep(run, record, key=place.key)
    return record


def read_record(run: Run) -> JobRecord:
    return cast(JobRecord, run.read_json(ELSEWHERE, "url", "model", "token"))


def keep(run: Run, record: JobRecord, **facts: Any) -> JobRecord:
    """Writes these facts down, at once."""
    cast(dict[str, Any], record).update(facts)
    run.write_json(ELSEWHERE, record)
    return record


def give_up(run: Run, record: JobRecord) -> None:
    """The job has ended without a model: the same command makes another."""
    if job := record.pop("job", None):
        keep(run, record, given_up=[*record.get("given_up", []), job])
