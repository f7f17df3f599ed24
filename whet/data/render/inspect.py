"""What the model sees, in pieces: which text is learned and which is only context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from whet.data.render.renderer import Rendered
from whet.types import Segment

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


MARKS = {1: "good", -1: "bad"}


def first_rows(segments: Iterable[Segment], rows: int) -> Iterator[tuple[str, Segment]]:
    """("", row) of the first rows; of a pair ("chosen", prompt and answer), then ("rejected", prompt and answer); of an
    answer that was marked ("good", prompt and answer), or "bad"."""
    root, answers = None, 0
    for segment in segments:
        if segment.parent is None:
            if rows == 0:
                return

            root, answers, rows = segment, 0, rows - 1
            if segment.supervised:
                yield "", segment
        elif root is not None:
            path = Segment(root.ids + segment.ids, root.weights + segment.weights, root.row)
            yield MARKS.get(segment.mark, ("chosen", "rejected")[answers]), path
            answers += 1


def supervised_pieces(rendered: Rendered | Segment, tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, bool]]:
    """(text, supervised) in order, from the ids themselves: what is shown is what is trained.

    Neighbouring tokens of one colour are one piece, so that characters made of several tokens stay whole.
    """
    pieces: list[tuple[list[int], bool]] = []
    for token, weight in zip(rendered.ids, rendered.weights, strict=True):
        supervised = bool(weight)
        if not pieces or pieces[-1][1] != supervised:
            pieces.append(([], supervised))
        pieces[-1][0].append(token)

    return [
        (str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)), supervised)
        for ids, supervised in pieces
    ]
