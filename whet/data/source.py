"""What rows and plain text have in common once they are read: a run learns from either, and need not ask which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from whet.data.ledger import Ledger
from whet.data.render.renderer import Renderer
from whet.data.rows.row_format import RowFormat
from whet.recipe.schema import Kind
from whet.types import Row


class Source(Protocol):
    """`Prepared` and `Corpus` are such: rows, or one long text."""

    ledger: Ledger
    shape: RowFormat
    renderer: Renderer
    """The one that rendered the rows: the data may have asked for another than the base's own."""
    notes: list[str]
    """What was decided about the data, in sentences for people."""

    @property
    def plain_text(self) -> bool:
        """Whether it is one long text of tokens, and no rows."""
        ...

    @property
    def kind(self) -> Kind:
        """The form of the rows; `text` for plain text."""
        ...

    @property
    def rows(self) -> int:
        """Rows (or documents) that are trained on."""
        ...

    @property
    def tokens(self) -> int:
        """Tokens of one epoch."""
        ...

    @property
    def supervised_tokens(self) -> int: ...

    @property
    def desirable(self) -> int:
        """Answers to learn that are marked good."""
        ...

    @property
    def test_rows(self) -> Sequence[Row]:
        """None of plain text, which is held out in tokens."""
        ...

    @property
    def apart(self) -> Sequence[dict[str, Any]]:
        """Prompts and frames that are on both sides of the split, because so many rows share them."""
        ...
