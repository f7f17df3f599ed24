"""A row that the model answers itself: its prompt as one segment, of which nothing is learned."""

from __future__ import annotations

from whet.data.refused import RowRefused
from whet.data.render.renderer import Renderer
from whet.types import Row, Segment


def prompt_segment(row: Row, renderer: Renderer, limit: int | None, room: int) -> Segment:
    """The prompt as serving would give it. Raises RowRefused for one that leaves no room for an answer of `room`
    tokens within `limit`."""
    if not row.prompt:
        raise RowRefused("no-prompt", "nothing comes before the answer", where=row.where, fix="add a prompt")

    try:
        renderer.refuse_foreign(row.prompt, row.tools)
        ids = renderer.prompt_ids(row.prompt, row.tools)
    except RowRefused as refusal:
        refusal.where = refusal.where or row.where
        raise

    if limit is not None and len(ids) + room > limit:
        what = f"{len(ids)} tokens, which leave no room for an answer of {room} within {limit}"
        fix = "shorten the prompts, lower method.max_new_tokens, or raise max_tokens if the base allows it"
        raise RowRefused("too-long", what, where=row.where, fix=fix)

    return Segment(ids, [0.0] * len(ids), row.index)
