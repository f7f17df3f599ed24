"""OpenAI's fine-tuning API, as far as a run needs it: files, jobs, events."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from whet.errors import InputError, RunError
from whet.launcher.place import Place
from whet.model_server import FIRST_WAIT, LONGEST_WAIT, BadResponse

PAGE, MOST_PAGES = 100, 20
TRIES = 6
"""Of making something, each after a look whether it was made already."""
UNLIKE = "check that the URL reaches as far as /v1 of a service with OpenAI's fine-tuning API"
ESTIMATE_SECONDS = 200.0
"""`whet serve` reads the rows first, and waits 180 s for a worker that has time."""
JOBS = "/fine_tuning/jobs"
Facts = dict[str, Any]


@dataclass(slots=True)
class Service:
    place: Place
    sleep: Callable[[float], None] = time.sleep

    def file_named(self, name: str) -> Facts | None:
        """The file that was uploaded under this name."""
        pages = self._pages("/files?purpose=fine-tune")
        return next((file for file in pages if file.get("filename") == name and file.get("status") != "error"), None)

    def upload(self, name: str, content: bytes) -> Facts:
        """One try. Raises InputError where the service refuses it, RunError where nobody knows whether it arrived."""
        boundary = secrets.token_hex(16)
        body = _form(boundary, name, content)
        kind = f"multipart/form-data; boundary={boundary}"
        return self._object(self.place.client(retries=0).upload("/files", body, kind))

    def job_of(self, token: str, training_file: str, given_up: list[str]) -> Facts | None:
        """The job of a run, if there is one that was not given up: by its metadata, or else by its file, which no other
        run has."""
        for job in self._pages(JOBS):
            own = (job.get("metadata") or {}).get("whet_token") == token or job.get("training_file") == training_file
            if own and job.get("id") not in given_up:
                return job
        return None

    def create(self, body: Facts) -> Facts:
        """One try. Raises as `upload` does."""
        return self._object(self.place.client(retries=0).post(JOBS, body))

    def job(self, name: str) -> Facts:
        return self._object(self._client().post(f"{JOBS}/{quote(name, safe='')}", None))

    def events(self, job: str, known: set[str]) -> list[Facts]:
        """Those that are not known, the oldest first."""
        fresh: dict[str, Facts] = {}
        for event in self._pages(f"{JOBS}/{quote(job, safe='')}/events"):
            if event.get("id") in known:
                break
            fresh[str(event.get("id"))] = event
        return list(fresh.values())[::-1]

    def cancel(self, job: str) -> Facts:
        return self._object(self._client().post(f"{JOBS}/{quote(job, safe='')}/cancel", {}))

    def estimate(self, body: Facts) -> Facts | None:
        """What `whet serve` says of a job before it is made; None from a service that has no such thing."""
        client = self.place.client(retries=0)
        client.seconds = ESTIMATE_SECONDS
        try:
            return self._object(client.post(f"{JOBS}/estimate", body))
        except (InputError, RunError):
            return None

    def serves(self, model: str) -> bool:
        return self.model(model) is not None

    def model(self, name: str) -> Facts | None:
        """As the list of models has it; None where the service does not know it."""
        try:
            return self._object(self._client().post(f"/models/{quote(name, safe='')}", None))
        except InputError:
            return None

    def made_once(self, make: Callable[[], Facts], find: Callable[[], Facts | None], begun: bool) -> Facts:
        """What `make` makes, once: where an answer is lost, or was before (`begun`), `find` looks whether it is there
        before it is made again. Raises as `make` does."""
        for attempt in range(TRIES):
            if (begun or attempt) and (found := find()) is not None:
                return found
            try:
                return make()
            except BadResponse:
                raise
            except RunError:
                if attempt == TRIES - 1:
                    raise
                self.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2**attempt))
        raise AssertionError("the last try returns or raises")

    def _client(self) -> Any:
        client = self.place.client()
        client.sleep = self.sleep
        return client

    def _pages(self, path: str) -> Iterator[Facts]:
        """The entries of a list, page by page. A service that ignores `after` would give its first page for ever."""
        after, joint = None, "&" if "?" in path else "?"
        for _ in range(MOST_PAGES):
            where = f"{path}{joint}limit={PAGE}" + (f"&after={quote(after, safe='')}" if after else "")
            page = self._client().post(where, None)
            entries = page.get("data") if isinstance(page, dict) else None
            if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                raise BadResponse("the service's list holds no data", where=self.place.url, value=page, fix=UNLIKE)
            yield from entries
            last = entries[-1].get("id") if entries else None
            if not page.get("has_more") or last in (None, after):
                return
            after = str(last)

    def _object(self, answer: Any) -> Facts:
        if not isinstance(answer, dict):
            raise BadResponse("the service's answer is no object", where=self.place.url, value=answer, fix=UNLIKE)
        return answer


def id_of(facts: Facts, what: str, url: str) -> str:
    """Raises BadResponse where the service does not tell it."""
    name = facts.get("id")
    if not isinstance(name, str) or not name:
        raise BadResponse(f"the service does not say the id of the {what}", where=url, value=facts, fix=UNLIKE)
    return name


def _form(boundary: str, name: str, content: bytes) -> bytes:
    """A multipart form with a file. `name` is ours: letters, digits, - and . alone."""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
