"""The text of a row for a head, as `tokenizer(text)` gives it."""

from __future__ import annotations

from typing import Any, Literal

from whet.data.refused import RowRefused
from whet.data.render.renderer import Renderer
from whet.types import Row, Segment


def text_segment(
    row: Row, renderer: Renderer, limit: int | None, too_long: Literal["drop", "truncate"], cut: dict[int, int]
) -> Segment:
    """The ids of `tokenizer(text)` as one segment, its last token marked for the head; how many tokens are left out of
    a long one is noted in `cut`. Raises RowRefused."""
    renderer.refuse_foreign(row.messages, None)
    found: Any = renderer.tokenizer(row.prompt[-1]["content"])

    ids: list[int] = found["input_ids"]
    if not ids:
        raise RowRefused("empty-text", "the text has no tokens", where=row.where, fix="remove the row")

    if limit is not None and len(ids) > limit:
        if too_long == "drop":
            what = f"{len(ids)} tokens, but the longest row may have {limit}"
            fix = "shorten the rows, raise max_tokens if the base allows it, or set too_long: truncate"
            raise RowRefused("too-long", what, where=row.where, fix=fix)

        cut[row.index] = len(ids) - limit
        ids = ids[:limit]

    return Segment(ids, [0.0] * (len(ids) - 1) + [float(len(ids) > 1)], row.index)
