"""What the pages have in common: their templates, and that a damaged file is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError

from whet.errors import RunFolderError
from whet.reports.chart import short_number
from whet.reports.hints import Hints
from whet.reports.section import OF_ANOTHER_KIND, DamagedFile


def templates_of_a_page() -> Environment:
    """The templates, for one page; every value is escaped, and a missing one is an error, not an empty gap."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    hints = Hints()
    environment.globals["hints_used"] = hints.used
    environment.filters |= {"brief": short_number, "places": lambda value: f"{value:.2f}", **hints.filters()}

    return environment


def naming_damaged_file(name: str, folder: Path, make: Callable[..., Any], *values: Any) -> Any:
    """What `make` gives. A file whose values are not of the documented kind is damaged, and named."""
    try:
        return make(*values)
    except DamagedFile as error:
        raise damaged(folder / error.name, error.reason) from error
    except (*OF_ANOTHER_KIND, UndefinedError) as error:
        raise damaged(folder / name, error) from error


def damaged(path: Path, reason: Exception) -> RunFolderError:
    return RunFolderError(
        f"this file does not have the layout of a run: {reason!r}",
        where=str(path),
        fix="write it again: whet eval RUN",
    )
