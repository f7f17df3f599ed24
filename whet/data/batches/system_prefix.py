"""What a system prompt adds to a rendered row: the same tokens in prefix of every row, or the row is refused.

Then the row with the prompt need not be stored, and a batch of rows reads the prompt once: as the root of a tree whose
children are the rows. Legend: N supervised tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from whet.data.batches.forest import build_batch, segments_of
from whet.data.refused import RowRefused
from whet.data.render.renderer import Rendered, Renderer
from whet.errors import RecipeError
from whet.types import Batch, Message, Row, Segment


@dataclass(frozen=True, slots=True)
class SystemPrefix:
    """How a rendered row begins: `bare` without the prompt (often nothing, or a begin token), `prompted` with it."""

    bare: list[int]
    prompted: list[int]

    @property
    def extra_tokens(self) -> int:
        """Tokens that the prompt adds to a row."""
        return len(self.prompted) - len(self.bare)


def with_system(prompt: str, messages: list[Message]) -> list[Message]:
    return [{"role": "system", "content": prompt}, *messages]


def system_prefix(renderer: Renderer, prompt: str) -> SystemPrefix:
    """What comes before the part that a conversation has with and without the prompt. Raises RecipeError for a base
    that cannot be given it."""
    messages: list[Message] = [{"role": "user", "content": "x"}]
    try:
        renderer.refuse_foreign(with_system(prompt, messages), None)
        bare, prompted = renderer.prompt_ids(messages), renderer.prompt_ids(with_system(prompt, messages))
    except RowRefused as refusal:
        what = f"this base cannot be given the prompt: {refusal.what}"
        raise RecipeError(what, where="method.prompt", value=prompt, fix=refusal.fix) from refusal

    shared = 0
    while shared < min(len(bare), len(prompted)) and bare[-1 - shared] == prompted[-1 - shared]:
        shared += 1

    prefix = SystemPrefix(bare[: len(bare) - shared], prompted[: len(prompted) - shared])
    if prefix.extra_tokens < 1:
        what = "the base's chat template leaves the system prompt out, so there is nothing to bake in"
        raise RecipeError(what, where="method.prompt", value=prompt, fix="use a base whose template has a system turn")

    return prefix


def refuse_other_front(row: Row, bare: Rendered, prompted: Rendered, prefix: SystemPrefix) -> None:
    """Raises RowRefused where the prompt changes more than the prefix: then the answers of both are not comparable."""
    begin, begin_prompted = len(prefix.bare), len(prefix.prompted)
    same = bare.ids[:begin] == prefix.bare and prompted.ids == prefix.prompted + bare.ids[begin:]
    if not same or prompted.weights[begin_prompted:] != bare.weights[begin:]:
        what = "the prompt changes more of this row than what comes before it"
        raise RowRefused("other-front", what, where=row.where, fix="remove the row, or use a base of another template")


def refuse_own_system(row: Row) -> None:
    """Raises RowRefused for a row that cannot have one more system prompt."""
    if row.messages and row.messages[0]["role"] in ("system", "developer"):
        fix = "collect the rows with --system, which leaves it out; or remove it from the row"
        raise RowRefused("own-system", "the row has a system prompt of its own", where=row.where, fix=fix)


def prompted_batch(batch: Batch, prefix: SystemPrefix) -> Batch:
    """The rows of a batch with the prompt in prefix, which is read once; the supervised tokens and their order stay.
    Raises ValueError for a batch that is not made of whole rows."""
    begin = len(prefix.bare)
    rows = segments_of(batch)
    if any(row.parent is not None or row.ids[:begin] != prefix.bare for row in rows):
        raise ValueError("a batch of bake is made of rows that begin in one way")
    root = Segment(prefix.prompted, [0.0] * len(prefix.prompted), rows[0].row)
    children = [replace(row, ids=row.ids[begin:], weights=row.weights[begin:], parent=0) for row in rows]

    return build_batch([root, *children])
