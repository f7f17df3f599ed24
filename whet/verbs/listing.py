"""A list that says in a table what is in it, printed and in a notebook. Torch-free."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from whet.reports.result import Result, Table

T = TypeVar("T")


class Listing(list[T], ABC):
    @abstractmethod
    def title(self) -> str:
        """The first line."""

    @abstractmethod
    def table(self) -> Table:
        """Heads of columns, and the cells of each entry."""

    def __repr__(self) -> str:
        return repr(_Shown(self.title(), self.table()))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return _Shown(self.title(), self.table())._repr_html_()


class _Shown(Result):
    """A listing in the form of all results."""

    def __init__(self, title: str, table: Table) -> None:
        super().__init__()
        self._title, self._table = title, table

    def title(self) -> str:
        return self._title

    def table(self) -> Table | None:
        return self._table if self._table[1] else None
