"""/v1/files: upload, list, retrieve, content, delete."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from whet.server.access.caller import Caller, Training
from whet.server.bases import bases_of
from whet.server.database.paging import Order, listed
from whet.server.errors import ApiError
from whet.server.files.content import too_large
from whet.server.files.multipart import BESIDE_FILE, Upload
from whet.server.files.records import (
    TUNING,
    NewFile,
    delete_file,
    find_file,
    insert_file,
    lifetime_of,
    list_files,
    new_file_id,
    refuse_purpose,
    show_file,
)
from whet.server.jobs.chores import EXAMINE, add_chore
from whet.server.jobs.housekeeping import forget_content
from whet.server.service import Service, service_of

router = APIRouter(prefix="/v1", tags=["files"])
PIECE_SECONDS, DRAIN_SECONDS = 60.0, 10.0
"""How long a client may be silent within a body; how long the rest of one that was refused is read, so that the client
reads the answer."""
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string"},
                        "expires_after[anchor]": {"type": "string"},
                        "expires_after[seconds]": {"type": "integer"},
                    },
                }
            }
        },
    }
}


@router.post("/files", openapi_extra=BODY)
async def create_file(request: Request, caller: Training) -> dict[str, Any]:
    """Rows of the purpose fine-tune are examined by the doctor; the file is `processed` once that is done."""
    service = service_of(request)
    length = request.headers.get("content-length", "")
    try:
        if length.isdigit() and int(length) > service.contents.most + BESIDE_FILE:
            raise too_large(service.contents.most)
        with Upload(request.headers.get("content-type"), service.contents) as upload:
            await _receive(request, upload)
            return await run_in_threadpool(_keep, service, caller, upload)
    except ApiError as error:
        if error.status == 413:
            await _drain(request)
        raise
    except ClientDisconnect as error:
        raise ApiError(400, "The client went away before the end of the body.", code="client_disconnected") from error


@router.get("/files")
def list_all(
    request: Request,
    caller: Training,
    purpose: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Order = "desc",
    after: str | None = None,
) -> dict[str, Any]:
    """The project's files."""
    if purpose is not None and not purpose.replace("-", "").replace("_", "").isalnum():
        return listed([], False, show_file)
    database = service_of(request).database
    rows, more = list_files(database, caller.project, limit, order, after, purpose)
    return listed(rows, more, show_file)


@router.get("/files/{file_id}")
def retrieve_file(request: Request, caller: Training, file_id: str) -> dict[str, Any]:
    """A file, with what the doctor found in it."""
    return show_file(_found(service_of(request), caller, file_id))


@router.get("/files/{file_id}/content", response_class=StreamingResponse)
def read_content(request: Request, caller: Training, file_id: str) -> StreamingResponse:
    """What is in a file, as it was sent."""
    service = service_of(request)
    row = _found(service, caller, file_id)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(row.filename, safe='')}",
        "Content-Length": str(row.bytes),
        "X-Content-Type-Options": "nosniff",
    }
    pieces = service.contents.read(row.id)
    return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)


@router.delete("/files/{file_id}")
def remove_file(request: Request, caller: Training, file_id: str) -> dict[str, Any]:
    """A job that is not over keeps what it reads."""
    service = service_of(request)
    delete_file(service.database, caller.project, file_id)
    forget_content(service.database, service.contents, service.settings.home, file_id)
    return {"id": file_id, "object": "file", "deleted": True}


def _found(service: Service, caller: Caller, file_id: str) -> Any:
    with service.database.read() as connection:
        return find_file(connection, caller.project, file_id, service.database.now(connection))


async def _receive(request: Request, upload: Upload) -> None:
    """Raises ApiError 408 for a client that says nothing for too long; it may send the file again."""
    stream = request.stream()
    while True:
        try:
            piece = await asyncio.wait_for(anext(stream, None), PIECE_SECONDS)
        except TimeoutError as error:
            raise ApiError(408, "The body did not come in time.", code="request_timeout") from error
        if piece is None:
            return
        if piece:
            await run_in_threadpool(upload.feed, piece)


async def _drain(request: Request) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in request.stream():
                continue
    except (TimeoutError, ClientDisconnect, RuntimeError):  # RuntimeError: it was read to its end
        return


def _keep(service: Service, caller: Caller, upload: Upload) -> dict[str, Any]:
    """The content first, then the row that says it is there."""
    incoming = upload.finish()
    purpose = refuse_purpose(upload.fields.get("purpose"))
    anchor, seconds = upload.fields.get("expires_after[anchor]"), upload.fields.get("expires_after[seconds]")
    lifetime = lifetime_of(purpose, anchor, seconds)
    status = "uploaded" if purpose == TUNING else "processed"
    new = NewFile(upload.filename or "file", purpose, incoming.size, incoming.sha256, lifetime, status)

    name = new_file_id()
    incoming.keep(service.contents.path(name))
    return _list(service, caller, name, new)


def keep_rows(service: Service, caller: Caller, filename: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as a file to learn from, as if the caller had uploaded it."""
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    name = new_file_id()
    sha256 = service.contents.add(name, data)
    return _list(service, caller, name, NewFile(filename, TUNING, len(data), sha256, None, "uploaded"))


def _list(service: Service, caller: Caller, name: str, new: NewFile) -> dict[str, Any]:
    with service.database.write() as connection:
        now = service.database.now(connection)
        insert_file(connection, caller.project, name, new, now)
        if new.purpose == TUNING:
            base = next(iter(bases_of(service.settings).values()), "nano")
            add_chore(connection, caller.project, EXAMINE, {"file": name, "base": base}, now)
        return show_file(find_file(connection, caller.project, name, now))
