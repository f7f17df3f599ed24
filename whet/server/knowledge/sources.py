"""Passages for one answer: which documents are asked for, what is found in them, what the answer makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from whet.data.refused import RowRefused
from whet.data.retrieval.growing_index import FoundPassage
from whet.data.retrieval.passages import as_many_as_fit, question_of, with_passages
from whet.evaluation.retrieval.grounding import ground, is_refusal, unsupported
from whet.server.access.caller import Caller
from whet.server.database.identifiers import new_id
from whet.server.errors import ApiError, of_whet
from whet.server.errors import unsupported as not_supported
from whet.server.inference.bodies import refuse_unknown
from whet.server.inference.catalogue import ServedModel
from whet.server.inference.sources import DocumentsBody
from whet.server.knowledge.bodies import FileSearch, refuse_ranking, wanted_attributes
from whet.server.knowledge.library import FOLDER, Library, with_attributes
from whet.server.knowledge.records import file_of
from whet.server.knowledge.rules import Rules, rules_of
from whet.types import Message


@dataclass(frozen=True, slots=True)
class Asked:
    """A search that belongs to an answer."""

    store: str
    count: int | None = None
    """None: as many as the rules say."""
    wanted: dict[str, Any] = field(default_factory=dict)
    """Attributes that files must have."""


def asked_in_chat(given: DocumentsBody | bool | None) -> Asked | Literal[False] | None:
    """By the key `documents`: a store; true: the service's folder; false: none; None where nothing is said. Raises
    ApiError 400."""
    if isinstance(given, DocumentsBody):
        refuse_unknown(given, {})
        return Asked(given.store, given.max_num_results, wanted_attributes(given.filters))
    if given:
        return Asked(FOLDER)
    return None if given is None else False


def asked_in_tools(tools: Sequence[dict[str, Any]] | None) -> Asked | None:
    """The search of the tool file_search, if there is one. Raises ApiError 400."""
    searches = [(number, tool) for number, tool in enumerate(tools or []) if tool.get("type") == "file_search"]
    if not searches:
        return None
    number, given = searches[0]
    try:
        tool = FileSearch.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("tools", number, *first["loc"]))
        raise ApiError(400, f"{where}: {first['msg']}.", code="invalid_value", param=where) from error

    if len(searches) > 1 or len(tool.vector_store_ids) > 1:
        why = "scores of several stores cannot be compared: send one file_search with one store."
        raise not_supported(f"tools.{number}.vector_store_ids", why)
    refuse_ranking(tool.ranking_options)
    return Asked(tool.vector_store_ids[0], tool.max_num_results, wanted_attributes(tool.filters))


def sources_of(
    library: Library, served: ServedModel, caller: Caller, asked: Asked | Literal[False] | None
) -> FoundSources | None:
    """Where nothing is asked for, a model that was tuned with passages answers from the folder of the service, if it
    has one. Raises WhetError for a run whose recipe is damaged."""
    if asked is False:
        return None
    rules = rules_of(served)
    if asked is not None:
        return FoundSources(library, caller.project, rules, asked)
    if rules.tuned and library.settings.documents is not None:
        return FoundSources(library, caller.project, rules, Asked(FOLDER), by_itself=True)
    return None


@dataclass(slots=True)
class FoundSources:
    """The passages of one request."""

    library: Library
    project: str
    rules: Rules
    asked: Asked
    by_itself: bool = False
    """Nobody asked for passages: a conversation without a question goes without."""
    question: str = ""
    found: list[FoundPassage] = field(default_factory=list)
    """Those in the prompt, best first."""
    id: str = field(default_factory=lambda: new_id("fs_"))

    def arrange(self, messages: list[Message], size: Callable[[list[Message]], int], most: int) -> list[Message]:
        """What a test row of the recipe would be: as many of the passages as the prompt has room for. A conversation
        that leaves no room for itself is not looked up. Raises ApiError 400, 404, 503."""
        try:
            _, self.question = question_of(messages)
        except RowRefused as error:
            if self.by_itself:
                return messages
            raise of_whet(error, "messages") from error
        most = min(most, self.rules.limit or most)
        if size(messages) > most:
            return messages

        manner = self.rules.manner or self.library.usual
        snapshot = self.library.snapshot(self.project, self.asked.store, manner)
        count = self.asked.count or self.rules.count
        best = snapshot.find(self.question, count, with_attributes(self.asked.wanted), manner.by)

        def with_first(number: int) -> tuple[list[Message], list[FoundPassage]]:
            texts = [each.passage.text for each in best[:number]]
            return with_passages(messages, texts, self.rules.template), best[:number]

        shown, self.found = as_many_as_fit(len(best), with_first, lambda made: size(made[0]) <= most)
        return shown

    @property
    def texts(self) -> list[str]:
        return [each.passage.text for each in self.found]

    def passages(self) -> list[dict[str, Any]]:
        """Best first. `passage` is its own name: the document's, and its number in it."""
        return [
            {
                "file_id": file_of(each.document.id),
                "filename": each.document.filename,
                "passage": each.passage.id,
                "score": each.score,
                "text": each.passage.text,
            }
            for each in self.found
        ]

    def grounding(self, answer: str) -> dict[str, Any]:
        """By the measures of `whet eval`: refused, k_precision, bigrams, supported."""
        return asdict(ground(answer, self.texts, self.question, self.rules.refusals))

    def citations(self, answer: str) -> list[dict[str, Any]]:
        """The files of which a passage has a content word of the answer, best first; a refusal draws on none."""
        if is_refusal(answer, self.rules.refusals):
            return []
        words = len(unsupported(answer, []))
        cited: dict[str, dict[str, Any]] = {}
        for each in self.found:
            if len(unsupported(answer, [each.passage.text])) < words:
                name = file_of(each.document.id)
                place = {"file_id": name, "filename": each.document.filename, "index": len(answer)}
                cited.setdefault(name, {"type": "file_citation"} | place)
        return list(cited.values())

    def search_call(self) -> dict[str, Any]:
        results = [
            shown | {"attributes": each.document.attributes}
            for shown, each in zip(self.passages(), self.found, strict=True)
        ]
        return {
            "id": self.id,
            "type": "file_search_call",
            "status": "completed",
            "queries": [self.question],
            "results": results,
        }
