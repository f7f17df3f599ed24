"""A section of the report: one file in whet/reports/sections/, and the template of the same name beside it.

SECTION = Section(key="energy", title="Energy", after="cost", reads=("energy.json",), view=energy_view)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from whet.evaluation.facts import Evaluation
from whet.reports.lines import Spoken

OF_ANOTHER_KIND = (KeyError, TypeError, ValueError, AttributeError)
"""What the values of a file raise that are not of the documented kind."""


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    """The anchor on the page, and the name by which others say that they come after it."""
    view: Callable[..., Any]
    """From the contents of `reads` to the `view` that the template draws; what is empty leaves the section out."""
    reads: tuple[str, ...] = ("evaluation.json",)
    """Files of the run (whet/reports/run_files.py). Where the view or the template fails, the first one is named as
    damaged; for another one see `blaming`."""
    title: str = ""
    """Its line in the list of contents; what has none stands above the list."""
    after: str = ""
    """The key of the section that it follows on the page; empty for the first."""
    line: Callable[[Evaluation], Iterable[Spoken]] | None = None
    """From evaluation.json to what the terminal says, drawn by whet/cli/render.py."""
    line_after: str = ""
    """The key of the section that it follows in the terminal, where the answer comes last."""


class DamagedFile(Exception):
    """The values of the file `name` are not of the documented kind."""

    def __init__(self, name: str, reason: Exception) -> None:
        super().__init__(name)
        self.name = name
        self.reason = reason


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """What fails within, in a view that reads several files, is the fault of this one."""
    try:
        yield
    except OF_ANOTHER_KIND as error:
        raise DamagedFile(name, error) from error
