"""Lists by cursor: `after` names the last thing that a client has seen, and `has_more` says whether to ask again.

OpenAI's client asks on until a page is empty or `has_more` is false; a list that ignored either would never end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, select, tuple_

from whet.server.database.identifiers import is_id
from whet.server.errors import ApiError

Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class Page:
    """`name` is the column with the identifier; `keys` order the list, and tell all its things apart."""

    name: Any
    keys: Sequence[Any]
    order: Order = "desc"
    limit: int = 20


def page_of(
    connection: Connection, query: Select[Any], scope: ColumnElement[bool], page: Page, after: str | None
) -> tuple[list[Row], bool]:
    """The rows of a page, and whether there are more. `scope` is what a cursor must belong to. Raises ApiError 400."""
    keys = tuple_(*page.keys)
    if after:
        place = None
        if is_id(after):
            place = connection.execute(select(*page.keys).where(page.name == after, scope)).first()
        if place is None:
            raise ApiError(400, f"after: there is no {after!r} in this list.", code="invalid_value", param="after")

        here = tuple_(*place)
        query = query.where(keys > here if page.order == "asc" else keys < here)

    ordered = [key.asc() if page.order == "asc" else key.desc() for key in page.keys]
    rows = list(connection.execute(query.where(scope).order_by(*ordered).limit(page.limit + 1)))
    return rows[: page.limit], len(rows) > page.limit


def listed(rows: Sequence[Row], has_more: bool, shape: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    """OpenAI's list of things."""
    data = [shape(row) for row in rows]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "has_more": has_more, "first_id": first, "last_id": last}
