"""What a format of logs can do: tell whether a record is one of its own, and read a file of them into traces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from whet.monitoring.logs.contents.json_text import Unreadable
from whet.monitoring.logs.contents.values import Record
from whet.monitoring.logs.log_file import LogFile
from whet.monitoring.trace import Trace

Out = TypeVar("Out")


class Form(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str:
        """For the list of forms that are read."""
        ...

    def knows(self, record: Record, /) -> bool:
        """Whether the record is one of this form, by its keys. Forms that are asked earlier come first."""
        ...

    def traces(self, log: LogFile) -> Iterator[Trace]:
        """Every request in the log, with bounded memory. What cannot be read is skipped and counted by the log."""
        ...


@dataclass(frozen=True)
class RecordForm:
    """A format whose records each stand for themselves. `read` raises Unreadable."""

    name: str
    title: str
    knows: Callable[[Record], bool]
    read: Callable[[Record, str], Iterable[Trace]]

    def traces(self, log: LogFile) -> Iterator[Trace]:
        for where, record in log.records():
            yield from read_counted(log, where, partial(self.read, record, where))


def read_counted(log: LogFile, where: str, read: Callable[[], Iterable[Out]]) -> list[Out]:
    """What `read` makes of a record; of one that cannot be read nothing, and the log counts it."""
    try:
        return list(read())
    except Unreadable as error:
        log.skip(where, str(error))
    except RecursionError:
        log.skip(where, "JSON that is nested too deep")
    return []
