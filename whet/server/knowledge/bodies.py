"""Bodies of the calls about vector stores, and what of OpenAI's API is refused by name."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from whet.server.database.identifiers import refuse_unstorable
from whet.server.errors import ApiError, unsupported

MOST_RESULTS, USUAL_RESULTS = 50, 10
MOST_QUERY = 8192
"""Characters of a question that is looked up."""
MOST_FILES = 500
"""Files that a store may be made with; more are attached afterwards."""
Key = Annotated[str, Field(min_length=1, max_length=64)]
Metadata = Annotated[dict[Key, Annotated[str, Field(max_length=512)]], Field(max_length=16)]
Value = Annotated[str, Field(max_length=512)] | bool | float
Attributes = Annotated[dict[Key, Value], Field(max_length=16)]
Name = Annotated[str, Field(max_length=256)]
FileName = Annotated[str, Field(min_length=1, max_length=64)]
EXPIRY = "delete the store, or its files, when their time is over."
CUTS = "files are cut into passages as in training, by sentences."


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Chunking(BaseModel):
    type: str


class StoreBody(Body):
    name: Name | None = None
    metadata: Metadata | None = None
    file_ids: Annotated[list[FileName], Field(max_length=MOST_FILES)] | None = None
    chunking_strategy: Chunking | None = None
    description: Any = None
    expires_after: Any = None

    def refuse(self) -> None:
        """Raises ApiError 400."""
        refuse_chunking(self.chunking_strategy)
        _refuse("description", self.description, "use metadata.")
        _refuse("expires_after", self.expires_after, EXPIRY)
        refuse_unstorable("name", self.name)
        refuse_unstorable("metadata", *chain.from_iterable((self.metadata or {}).items()))


class StoreChange(Body):
    name: Name | None = None
    metadata: Metadata | None = None
    expires_after: Any = None

    def refuse(self) -> None:
        """Raises ApiError 400."""
        _refuse("expires_after", self.expires_after, EXPIRY)
        refuse_unstorable("name", self.name)
        refuse_unstorable("metadata", *chain.from_iterable((self.metadata or {}).items()))


class FileBody(Body):
    file_id: FileName
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None

    def refuse(self) -> None:
        """Raises ApiError 400."""
        refuse_chunking(self.chunking_strategy)
        refuse_unstorable("attributes", *chain.from_iterable((self.attributes or {}).items()))


class SearchBody(Body):
    query: Annotated[str, Field(max_length=MOST_QUERY)] | list[Annotated[str, Field(max_length=MOST_QUERY)]]
    max_num_results: Annotated[int, Field(strict=True, ge=1, le=MOST_RESULTS)] = USUAL_RESULTS
    filters: Any = None
    ranking_options: Any = None
    rewrite_query: bool = False

    @property
    def question(self) -> str:
        """Raises ApiError 400 for several."""
        if isinstance(self.query, str):
            return self.query
        if len(self.query) != 1:
            raise unsupported("query", "one text a request.")
        return self.query[0]

    def refuse(self) -> None:
        """Raises ApiError 400."""
        refuse_ranking(self.ranking_options)
        if self.rewrite_query:
            raise unsupported("rewrite_query", "what is looked up is the text itself.")


class FileSearch(Body):
    """The tool of a response."""

    type: Literal["file_search"]
    vector_store_ids: Annotated[list[FileName], Field(min_length=1)]
    max_num_results: Annotated[int, Field(strict=True, ge=1, le=MOST_RESULTS)] | None = None
    filters: Any = None
    ranking_options: Any = None


class Comparison(Body):
    type: Literal["eq"]
    key: Key
    value: Value


def wanted_attributes(filters: Any) -> dict[str, Any]:
    """The attributes that a file must have: from one comparison by `eq`, or several joined by `and`. Raises ApiError
    400 for every other filter."""
    if filters is None:
        return {}
    if isinstance(filters, dict) and filters.get("type") == "and" and isinstance(filters.get("filters"), list):
        each = filters["filters"]
    else:
        each = [filters]

    wanted: dict[str, Any] = {}
    for one in each:
        try:
            comparison = Comparison.model_validate(one)
        except ValueError:
            raise unsupported("filters", "compare attributes by 'eq', several of them joined by 'and'.") from None
        if wanted.get(comparison.key, comparison.value) != comparison.value:
            what = f"filters: {comparison.key!r} cannot equal two values at once."
            raise ApiError(400, what, code="invalid_value", param="filters")
        wanted[comparison.key] = comparison.value
    return wanted


def refuse_ranking(options: Any) -> None:
    """Scores of words have no upper end that a threshold could be a share of, and ranks have no scale. Raises ApiError
    400."""
    if options in (None, {}, {"ranker": "auto"}, {"ranker": "none"}):
        return
    raise unsupported(
        "ranking_options", "passages are ranked in one way, which the recipe of the model or the service says."
    )


def refuse_chunking(chunking: Chunking | None) -> None:
    """Raises ApiError 400."""
    if chunking is not None and chunking.type != "auto":
        raise unsupported("chunking_strategy", CUTS)


def _refuse(param: str, value: Any, why: str) -> None:
    if value is not None:
        raise unsupported(param, why)
