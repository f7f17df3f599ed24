"""A row that is not understood is refused with a code for the ledger and words for people."""

from __future__ import annotations

from whet.errors import DataError


class RowRefused(DataError):
    """One row cannot be used. `code` is the drop reason that the ledger counts."""

    def __init__(self, code: str, what: str, *, where: str = "", value: object = None, fix: str = "") -> None:
        self.code = code
        super().__init__(what, where=where, value=value, fix=fix)
