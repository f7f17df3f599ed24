"""/v1/vector_stores: stores, their files, and search. A small, exact subset of OpenAI's API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from whet.server.access.caller import Caller, Inferring, Training
from whet.server.database.paging import Order, listed
from whet.server.errors import unsupported
from whet.server.knowledge.bodies import (
    FileBody,
    SearchBody,
    StoreBody,
    StoreChange,
    wanted_attributes,
)
from whet.server.knowledge.folder_store import FolderStore
from whet.server.knowledge.records import (
    counts,
    find_attached,
    find_store,
    insert_store,
    list_attached,
    list_stores,
    refuse_status,
    update_store,
)
from whet.server.knowledge.shapes import show_attached, show_search, show_store
from whet.server.service import Service, service_of

router = APIRouter(prefix="/v1", tags=["vector stores"])
Limit = Annotated[int, Query(ge=1, le=100)]


@router.post("/vector_stores")
def create_store(request: Request, caller: Training, body: StoreBody) -> dict[str, Any]:
    """A place for files that answers may rest on; each of file_ids is read before this returns."""
    body.refuse()
    service = service_of(request)
    made = insert_store(service.database, caller.project, body.name or "", body.metadata or {})
    try:
        for file in dict.fromkeys(body.file_ids or []):
            service.library.attach(caller.project, made, file, {})
    except BaseException:
        service.library.delete(caller.project, made)
        raise
    return _store(service, caller, made)


@router.get("/vector_stores")
def list_all_stores(
    request: Request,
    caller: Inferring,
    limit: Limit = 20,
    order: Order = "desc",
    after: str | None = None,
    before: str | None = None,
) -> dict[str, Any]:
    """The stores of the project. The folder of the service is not among them: it is asked for by its name."""
    refuse_before(before)
    service = service_of(request)
    rows, more = list_stores(service.database, caller.project, limit, order, after)
    with service.database.read() as connection:
        known = counts(connection, [row.id for row in rows])
    return listed(rows, more, lambda row: show_store(row, known[row.id]))


@router.get("/vector_stores/{vector_store_id}")
def retrieve_store(request: Request, caller: Inferring, vector_store_id: str) -> dict[str, Any]:
    """A store; "documents" is the folder that the service was started with."""
    service = service_of(request)
    folder = FolderStore(service.library)
    if folder.there(vector_store_id):
        return folder.show()
    return _store(service, caller, vector_store_id)


@router.post("/vector_stores/{vector_store_id}")
def change_store(request: Request, caller: Training, vector_store_id: str, body: StoreChange) -> dict[str, Any]:
    """Its name and metadata."""
    body.refuse()
    service = _changing(request, vector_store_id)
    values = {"name": body.name, "store_metadata": body.metadata}
    given = {key: value for key, value in values.items() if value is not None}
    update_store(service.database, caller.project, vector_store_id, given)
    return _store(service, caller, vector_store_id)


@router.delete("/vector_stores/{vector_store_id}")
def remove_store(request: Request, caller: Training, vector_store_id: str) -> dict[str, Any]:
    """Its files stay in /v1/files."""
    _changing(request, vector_store_id).library.delete(caller.project, vector_store_id)
    return {"id": vector_store_id, "object": "vector_store.deleted", "deleted": True}


@router.post("/vector_stores/{vector_store_id}/search")
def search_store(request: Request, caller: Inferring, vector_store_id: str, body: SearchBody) -> dict[str, Any]:
    """The passages that share the question's words, or are nearest to it, as the service was told; best first."""
    body.refuse()
    library, query, wanted = service_of(request).library, body.question, wanted_attributes(body.filters)
    return show_search(query, library.search(caller.project, vector_store_id, query, body.max_num_results, wanted))


@router.post("/vector_stores/{vector_store_id}/files")
def attach_file(request: Request, caller: Training, vector_store_id: str, body: FileBody) -> dict[str, Any]:
    """Reads an uploaded file into the store: every search that begins after this returns finds it."""
    body.refuse()
    service = _changing(request, vector_store_id)
    service.library.attach(caller.project, vector_store_id, body.file_id, body.attributes or {})
    return _file(service, caller, vector_store_id, body.file_id)


@router.get("/vector_stores/{vector_store_id}/files")
def list_files(
    request: Request,
    caller: Inferring,
    vector_store_id: str,
    limit: Limit = 20,
    order: Order = "desc",
    after: str | None = None,
    before: str | None = None,
    filter: str | None = None,
) -> dict[str, Any]:
    """The files of a store, those that could not be read with the reason."""
    refuse_before(before)
    refuse_status(filter)
    service = service_of(request)
    folder = FolderStore(service.library)
    if folder.there(vector_store_id):
        shown, more = folder.list_files(limit, order, after, filter)
        first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
        return {"object": "list", "data": shown, "has_more": more, "first_id": first, "last_id": last}

    with service.database.read() as connection:
        find_store(connection, caller.project, vector_store_id)
        rows, more = list_attached(connection, vector_store_id, limit, order, after, filter)
    return listed(rows, more, show_attached)


@router.get("/vector_stores/{vector_store_id}/files/{file_id}")
def retrieve_file(request: Request, caller: Inferring, vector_store_id: str, file_id: str) -> dict[str, Any]:
    """A file of a store."""
    service = service_of(request)
    folder = FolderStore(service.library)
    if folder.there(vector_store_id):
        return folder.show_file(file_id)
    return _file(service, caller, vector_store_id, file_id)


@router.delete("/vector_stores/{vector_store_id}/files/{file_id}")
def detach_file(request: Request, caller: Training, vector_store_id: str, file_id: str) -> dict[str, Any]:
    """Takes a file from the store; it stays in /v1/files. No search that begins after this returns finds it."""
    _changing(request, vector_store_id).library.detach(caller.project, vector_store_id, file_id)
    return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}


@router.post("/vector_stores/{vector_store_id}/files/{file_id}", include_in_schema=False)
def change_file(vector_store_id: str, file_id: str, caller: Training) -> None:
    raise unsupported("attributes", "attach the file again with others.")


@router.get("/vector_stores/{vector_store_id}/files/{file_id}/content", include_in_schema=False)
def read_content(vector_store_id: str, file_id: str, caller: Inferring) -> None:
    raise unsupported("content", "read it at /v1/files/FILE/content.")


@router.post("/vector_stores/{vector_store_id}/file_batches", include_in_schema=False)
def create_batch(vector_store_id: str, caller: Training) -> None:
    raise unsupported("file_batches", "attach files one by one, or make the store with file_ids.")


def refuse_before(before: str | None) -> None:
    """Raises ApiError 400."""
    if before is not None:
        raise unsupported("before", "page forward with after, in either order.")


def _changing(request: Request, store: str) -> Service:
    """Raises ApiError 400 for the folder."""
    service = service_of(request)
    FolderStore(service.library).refuse_change(store)
    return service


def _store(service: Service, caller: Caller, name: str) -> dict[str, Any]:
    with service.database.read() as connection:
        row = find_store(connection, caller.project, name)
        return show_store(row, counts(connection, [name])[name])


def _file(service: Service, caller: Caller, store: str, name: str) -> dict[str, Any]:
    with service.database.read() as connection:
        find_store(connection, caller.project, store)
        return show_attached(find_attached(connection, store, name))
