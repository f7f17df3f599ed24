"""A chunk of raw rows to everything that is kept of them. Workers do this; what it gives is a few flat arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from whet.data.batches.segment_files import Packed, pack, root_of
from whet.data.batches.system_prefix import (
    SystemPrefix,
    refuse_other_front,
    refuse_own_system,
    system_prefix,
    with_system,
)
from whet.data.read.source import RawRow, Unread, read_row, unread_source
from whet.data.refused import RowRefused
from whet.data.render.labelled_texts import text_segment
from whet.data.render.preference_trees import marked_segments, pair_segments
from whet.data.render.prompts import prompt_segment
from whet.data.render.renderer import Rendered, Renderer
from whet.data.retrieval.raft import PassageLookup
from whet.data.rows.convert import to_row
from whet.data.rows.rankings import as_pairs
from whet.data.rows.row_format import RowFormat
from whet.data.split.row_traits import RowTraits, compute_traits
from whet.recipe.schema import Recipe
from whet.types import Row, Segment

CHUNK_ROWS = 256
"""Rows that go to a worker at a time: some 40 ms of work, some 100 kB of text."""

Chunk = list[Unread]


@dataclass(slots=True)
class PreparedChunk:
    """What became of a chunk: the usable rows' traits and segments, and (index, reason, message) of the refused."""

    traits: RowTraits
    packed: Packed
    refused: list[tuple[int, str, str]]
    cut: dict[int, int]
    """Rows that were too long and were cut, by index: the tokens that are left out."""
    unknown: int = 0
    """With retrieval: rows of which it is not known which passage holds the answer."""


def chunks_of(data: str | list[str], shape: RowFormat, offset: int = 0) -> Iterator[Chunk]:
    """Chunks of CHUNK_ROWS rows, their indices moved by `offset`. Raises DataError."""
    rows = as_pairs(unread_source(data), shape)
    while chunk := [(index + offset, where, value) for index, where, value in islice(rows, CHUNK_ROWS)]:
        yield chunk


@dataclass(frozen=True, slots=True)
class Preparer:
    """Chunk to arrays. `limit` is the longest row in tokens."""

    recipe: Recipe
    shape: RowFormat
    renderer: Renderer
    limit: int | None
    lookup: PassageLookup | None = None
    """The documents, where prompts hold passages."""

    def __call__(self, chunk: Chunk) -> PreparedChunk:
        """What a chunk gives depends on the chunk alone. Raises ModelError for a template that fits no row."""
        renderer = self.renderer.forgetful()
        rows: list[Row] = []
        segments: list[Segment] = []
        refused: list[tuple[int, str, str]] = []
        cut: dict[int, int] = {}

        prefix = self.recipe.method.prefix
        if prefix is None:
            front = None
        else:
            front = system_prefix(renderer, prefix)

        unknown = 0
        for raw in map(read_row, chunk):
            try:
                row = to_row(raw, self.shape, self.recipe)
                if self.lookup:
                    shown = self.lookup.to_learn(row)
                else:
                    shown = None

                unknown += shown is not None and shown.oracle is None
                tree = self._tree(shown.row if shown else row, raw, renderer, len(segments), front, cut)
            except RowRefused as refusal:
                refused.append((raw.index, refusal.code, str(refusal)))
                cut.pop(raw.index, None)
            else:
                rows.append(row)
                segments += tree

        traits = compute_traits(rows, self.recipe.split.near_duplicates)
        if not self.recipe.method.rows.answered:
            traits.answered_R[:] = True  # a reward or a teacher says what any row is worth
        return PreparedChunk(traits, pack(segments), refused, cut, unknown)

    def _tree(
        self, row: Row, raw: RawRow, renderer: Renderer, position: int, front: SystemPrefix | None, cut: dict[int, int]
    ) -> list[Segment]:
        """The segments of a row; the first will be at `position`. What is left out of it is noted in `cut`."""
        method = self.recipe.method
        if method.rows.rendering == "prompt":
            return [prompt_segment(row, renderer, self.limit, method.answer_tokens or 0)]
        if method.rows.rendering == "text":
            return [text_segment(row, renderer, self.limit, self.recipe.too_long, cut)]
        if front is not None and method.prefix is not None:
            refuse_own_system(row)
            rendered = renderer.render(row)
            prompted = renderer.render(replace(row, messages=with_system(method.prefix, row.messages)))
            refuse_other_front(row, rendered, prompted, front)
            return [root_of(self._fit(rendered, raw, cut, front.extra_tokens), raw.index)]

        rendered = self._fit(renderer.render(row), raw, cut)
        if row.desirable is not None:
            return marked_segments(rendered, row.desirable, raw.index, position)
        if row.rejected is None:
            return [root_of(rendered, raw.index)]

        other = self._fit(renderer.render(replace(row, messages=row.rejected)), raw, cut)
        return pair_segments(rendered, other, raw.index, position)

    def _fit(self, rendered: Rendered, raw: RawRow, cut: dict[int, int], added: int = 0) -> Rendered:
        """The row where it is not too long, with `added` tokens that are read in front of it."""
        if self.limit is None or len(rendered.ids) + added <= self.limit:
            return rendered
        room = max(0, self.limit - added)

        short = Rendered(rendered.ids[:room], rendered.weights[:room], rendered.text, rendered.spans)
        if self.recipe.too_long == "truncate" and short.supervised:
            cut[raw.index] = cut.get(raw.index, 0) + len(rendered.ids) - room
            return short

        what = f"{len(rendered.ids) + added} tokens, but the longest row may have {self.limit}"
        fix = "shorten the rows, raise max_tokens if the base allows it, or set too_long: truncate"

        if self.recipe.too_long == "truncate":
            what, fix = f"{what}, and what is to be learned begins after them", "shorten the prompts"
        raise RowRefused("too-long", what, where=raw.where, fix=fix)
