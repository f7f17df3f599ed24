"""A rendered pair as a tree: the prompt is the root, the two answers are its children, the chosen one first. An answer
that was marked is such a tree with one child."""

from __future__ import annotations

from whet.data.refused import RowRefused
from whet.data.render.renderer import Rendered
from whet.types import Segment


def pair_segments(chosen: Rendered, rejected: Rendered, row: int, position: int) -> list[Segment]:
    """Root and two children. `position` is where the root will be in the list of segments.

    The root ends where the first answer begins, or earlier, at the first token that differs: a tokenizer may merge
    across the border. Raises RowRefused for answers that are the same tokens, and for a prompt without a token.
    """
    if chosen.ids == rejected.ids:
        raise RowRefused("same-answer", "the two answers are the same to the model", fix="remove the row")

    border = min(_answer_begins(chosen), _answer_begins(rejected))
    for number, (one, other) in enumerate(zip(chosen.ids[:border], rejected.ids[:border], strict=False)):
        if one != other:
            border = number
            break

    if not border:
        raise RowRefused("no-prompt", "the two conversations begin with different tokens", fix="give both one prompt")

    root = Segment(chosen.ids[:border], [0.0] * border, row)
    children = [Segment(side.ids[border:], side.weights[border:], row, position) for side in (chosen, rejected)]
    return [root, *children]


def marked_segments(rendered: Rendered, desirable: bool, row: int, position: int) -> list[Segment]:
    """Root and one child, which is marked. `position` is where the root will be in the list of segments."""
    border = _answer_begins(rendered)
    root = Segment(rendered.ids[:border], [0.0] * border, row)
    return [root, Segment(rendered.ids[border:], rendered.weights[border:], row, position, 1 if desirable else -1)]


def _answer_begins(side: Rendered) -> int:
    return next(number for number, weight in enumerate(side.weights) if weight)
