"""Retrieval-augmented fine-tuning, RAFT (Zhang et al. 2024, arXiv 2403.10131): rows that learn to answer from passages.

A training row gets the passage that holds its answer (the oracle) among distractors, in an order of chance; a share of
the rows gets distractors alone, so that the model also learns what to do without. Distractors are what the retriever
finds for the question and what is not the answer's: the passages that the model will have to tell apart. A row that is
asked in an evaluation gets what the retriever finds, best first, whether the answer is there or not.

The oracle is the passage that the row names (`columns.passage`), of a document that it names one with the reference in
it, if there is one; else any that holds the reference word for word. Where
rows name their passages, one that names none is answered by none. Otherwise nothing is assumed of a row whose answer
is nowhere: it learns with what the retriever finds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from whet.data.batches.segment_files import root_of
from whet.data.refused import RowRefused
from whet.data.render.renderer import Rendered, Renderer
from whet.data.retrieval.documents import Passage, read_documents
from whet.data.retrieval.encoders.opening import encoder_of
from whet.data.retrieval.passages import as_many_as_fit, question_of, with_passages
from whet.data.retrieval.retrievers import Hit, retriever_of, words_of
from whet.data.split.row_traits import content_hash
from whet.recipe.schema import Recipe
from whet.recipe.sections.retrieval import Retrieval
from whet.types import Row, Segment

DEPTH = 50
"""Hits that are searched for a row's oracle and its distractors."""


@dataclass(frozen=True, slots=True)
class RowWithPassages:
    """A row as the model sees it."""

    plain: Row
    """As it is in the data."""
    row: Row
    """With the passages."""
    passages: list[Passage]
    oracle: bool | None
    """Whether the passages hold the answer; None where it is not known which would."""
    answerable: bool
    """Whether any passage of the documents is known to hold it."""

    @property
    def question(self) -> str:
        return question_of(self.plain.messages)[1]


class PassageLookup:
    """The documents of a recipe, searched for its rows. What a row gets depends on the row and the seed alone."""

    def __init__(self, settings: Retrieval, seed: int, named: bool) -> None:
        """`named`: a column names each row's passage, and a row that names none is one that no passage answers. Raises
        DataError for documents that cannot be read, InputError and RunError for an encoder that cannot."""
        self.settings, self.seed, self.named = settings, seed, named
        self.passages = read_documents(Path(settings.documents).expanduser(), settings.words, settings.column)
        self.retriever = retriever_of(self.passages, settings.by, encoder_of(settings))
        self._words = {passage.id: _spaced(passage.text) for passage in self.passages}
        twins: dict[str, set[str]] = {}

        self._named: dict[str, set[str]] = {}
        for passage in self.passages:
            twins.setdefault(passage.text, set()).add(passage.id)
            for name in {passage.id, passage.document, passage.source}:
                self._named.setdefault(name, set()).add(passage.id)

        self._same = {passage.id: twins[passage.text] for passage in self.passages}
        """Ids of the passages with the text of each."""

    def to_learn(self, row: Row) -> RowWithPassages:
        """The row with its oracle among distractors, or with distractors alone. Raises RowRefused for a row without a
        question in words, or one that names a passage that is not there."""
        hits = self._search(_question(row), DEPTH)
        own = self.own(row)

        if row.passage:
            ranked = hits
        else:
            ranked = self._search(f"{_question(row)} {row.reference}", DEPTH)

        found = next((hit.passage for hit in ranked if hit.passage.id in own), None)
        if found is None and row.passage:
            found = next(passage for passage in self.passages if passage.id in own)

        random = Random(hashlib.sha256(f"{self.seed} {content_hash(row)}".encode()).digest())
        count = self.settings.passages

        if found is None and not self.named:
            return self._shown(row, [hit.passage for hit in hits[:count]], None, own)

        distractors = [hit.passage for hit in hits if hit.passage.id not in own][:count]
        distractors += self._others(random, count - len(distractors), own | {each.id for each in distractors})

        if found is not None and random.random() < self.settings.oracle_share:
            chosen = [found, *distractors[: count - 1]]
            random.shuffle(chosen)
            return self._shown(row, chosen, True, own)

        random.shuffle(distractors)
        return self._shown(row, distractors, False, own, _refusing(row, self.settings.refusal))

    def in_use(self, row: Row, count: int | None = None) -> RowWithPassages:
        """The row with what the retriever finds, best first; `count` passages, unless all that the recipe asks for."""
        hits = self._search(_question(row), self.settings.passages if count is None else count)
        passages = [hit.passage for hit in hits]
        own = self.own(row)
        held = any(each.id in own for each in passages)
        return self._shown(row, passages, held if own or self.named else None, own)

    def own(self, row: Row) -> set[str]:
        """Ids of the passages that hold the row's answer; empty where that is not known. Raises RowRefused for a name
        that no passage has."""
        if row.passage:
            if row.passage not in self._named:
                fix = f"name a document, or a passage as in {self.passages[0].id}"
                what = "the row names a passage that is not in the documents"
                raise RowRefused("no-passage", what, where=row.where, value=row.passage, fix=fix)

            named = set().union(*(self._same[name] for name in self._named[row.passage]))
            return self._holding(row, named) or named
        if self.named:
            return set()
        return self._holding(row, self._words)

    def _holding(self, row: Row, among: Iterable[str]) -> set[str]:
        """Of these passages, those in which the reference stands word for word."""
        wanted = _spaced(row.reference)
        if wanted.strip():
            return {name for name in among if wanted in self._words[name]}
        return set()

    def _search(self, query: str, count: int) -> list[Hit]:
        return self.retriever.search([query], count)[0]

    def _others(self, random: Random, count: int, taken: set[str]) -> list[Passage]:
        """Passages of chance, where the retriever finds too few."""
        if count < 1:
            return []
        free = [passage for passage in self.passages if passage.id not in taken]
        return random.sample(free, min(count, len(free)))

    def _shown(
        self, plain: Row, passages: list[Passage], oracle: bool | None, own: set[str], learned: Row | None = None
    ) -> RowWithPassages:
        row = learned or plain
        messages = with_passages(row.messages, [passage.text for passage in passages], self.settings.template)
        return RowWithPassages(plain, replace(row, messages=messages), passages, oracle, bool(own))


def lookup_of(recipe: Recipe) -> PassageLookup | None:
    """None for a recipe without passages."""
    return recipe.retrieval and PassageLookup(recipe.retrieval, recipe.seed, recipe.columns.passage is not None)


def with_found_passages(recipe: Recipe, rows: Sequence[Row], renderer: Renderer) -> list[Row]:
    """Rows as the data has them, as they are asked in use: with what the retriever finds, where the recipe has
    passages."""
    lookup = lookup_of(recipe)
    if lookup is None:
        return list(rows)
    return [shown.row for shown in with_passages_that_fit(lookup, rows, renderer, recipe.max_tokens)[0]]


def with_passages_that_fit(
    lookup: PassageLookup, rows: Sequence[Row], renderer: Renderer, limit: int | None
) -> tuple[list[RowWithPassages], list[Segment]]:
    """Rows with what the retriever finds, and their segments. A row that would be longer than `limit` tokens goes
    without the last passages, as far as needed."""
    shown, segments = [], []
    for row in rows:

        def with_first(count: int, row: Row = row) -> tuple[RowWithPassages, Rendered]:
            found = lookup.in_use(row, count)
            return found, renderer.render(found.row)

        found, rendered = as_many_as_fit(
            lookup.settings.passages, with_first, lambda made: limit is None or len(made[1].ids) <= limit
        )
        shown.append(found)
        segments.append(root_of(rendered, row.index))

    return shown, segments


def _question(row: Row) -> str:
    try:
        return question_of(row.messages)[1]
    except RowRefused as refusal:
        raise RowRefused(refusal.code, refusal.what, where=row.where, fix=refusal.fix) from refusal


def _refusing(row: Row, refusal: str | None) -> Row:
    """The row with a refusal for an answer; the row itself where none is to be learned, or where it ends otherwise."""
    if refusal is None or not row.reference:
        return row
    return replace(row, messages=[*row.messages[:-1], {**row.messages[-1], "content": refusal}])


def _spaced(text: str) -> str:
    return f" {' '.join(words_of(text))} "
