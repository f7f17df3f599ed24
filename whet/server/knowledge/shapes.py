"""OpenAI's objects of vector stores, of their files, and of what was found."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from whet.data.retrieval.growing_index import FoundPassage
from whet.server.knowledge.cuts import Unreadable
from whet.server.knowledge.records import COMPLETED, FAILED, file_of


def show_store(row: Row[Any], counted: tuple[int, int, int]) -> dict[str, Any]:
    """`counted`: completed and failed files, and their bytes."""
    completed, failed, size = counted
    return store_object(row.id, row.name, completed, failed) | {
        "created_at": int(row.created_at),
        "last_active_at": int(row.changed_at),
        "metadata": row.store_metadata,
        "usage_bytes": size,
    }


def store_object(name: str, shown: str, completed: int, failed: int) -> dict[str, Any]:
    counts = {"in_progress": 0, "completed": completed, "failed": failed, "cancelled": 0, "total": completed + failed}
    return {
        "id": name,
        "object": "vector_store",
        "name": shown,
        "status": COMPLETED,
        "file_counts": counts,
        "expires_after": None,
        "expires_at": None,
        "metadata": {},
    }


def show_attached(row: Row[Any]) -> dict[str, Any]:
    unreadable = Unreadable(row.error_code, row.error) if row.error_code else None
    made = file_object(row.file, row.store, row.bytes, int(row.created_at), unreadable)
    return made | {"attributes": row.attributes}


def file_object(name: str, store: str, size: int, created: int, unreadable: Unreadable | None) -> dict[str, Any]:
    error = None
    if unreadable:
        error = {"code": unreadable.code, "message": unreadable.message}
    return {
        "id": name,
        "object": "vector_store.file",
        "vector_store_id": store,
        "created_at": created,
        "usage_bytes": size,
        "status": FAILED if unreadable else COMPLETED,
        "last_error": error,
        "attributes": {},
        "chunking_strategy": {"type": "other"},
    }


def show_search(query: str, found: list[FoundPassage]) -> dict[str, Any]:
    """`passage` is ours: the passage's own name, as answers and evaluations call it."""
    return {
        "object": "vector_store.search_results.page",
        "search_query": [query],
        "data": [_result(each) for each in found],
        "has_more": False,
        "next_page": None,
    }


def _result(found: FoundPassage) -> dict[str, Any]:
    return {
        "file_id": file_of(found.document.id),
        "filename": found.document.filename,
        "passage": found.passage.id,
        "score": found.score,
        "attributes": found.document.attributes,
        "content": [{"type": "text", "text": found.passage.text}],
    }
