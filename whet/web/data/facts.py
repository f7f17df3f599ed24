"""What is shown of a file: the doctor's findings, and its rows with the tokens that are learned from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from whet.errors import WhetError
from whet.server.bases import bases_of
from whet.server.database.identifiers import new_id
from whet.server.files.content import linked
from whet.server.files.first_row import method_of_file, plain_places
from whet.server.files.records import TUNING, list_files
from whet.server.jobs.places import content_of, job_folder, run_root
from whet.server.jobs.recipe import TRAINING
from whet.store.atomic import remove
from whet.web.asked import Asked

MOST_FILES = 50
LOOKED_AT, A_PAGE = 200, 5
"""Rows that can be looked at, and of these on one page: rendering reads every row before it."""
LONGEST_ROW = 4000
"""Characters of a row as it stands in its file that are shown."""
TONES = {"error": "lost", "warning": "unclear", "info": ""}


@dataclass(frozen=True, slots=True)
class Finding:
    severity: str
    tone: str
    message: str
    fix: str
    lines: list[int]
    count: int


@dataclass(frozen=True, slots=True)
class SeenRow:
    """A row as the model will see it: pieces of text, each learned from or read alone."""

    line: str
    tokens: int
    supervised: int
    pieces: list[tuple[str, bool]]


def files_of(asked: Asked) -> tuple[list[Row], bool]:
    """Of the project, for tuning, the newest first; whether there are more."""
    return list_files(asked.service.database, asked.caller.project, MOST_FILES, "desc", None, TUNING)


def findings(file: Row) -> list[Finding]:
    found = []
    for one in file.findings or []:
        tone = TONES.get(one["severity"], "")
        found.append(Finding(one["severity"], tone, one["message"], one["fix"], one["lines"], one["count"]))
    return found


def is_being_looked_at(file: Row) -> bool:
    return file.status == "uploaded"


def line_of(asked: Asked, file: Row, number: int) -> str | None:
    """A line of the file as it stands there, counted from 1; None behind its end."""
    with content_of(asked.service.settings.home, file.id).open("rb") as content:
        found = next(islice(content, number - 1, None), None)
    if found is None:
        return None
    text = found.decode("utf-8", "replace").strip()
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    except ValueError:
        pass
    return text[:LONGEST_ROW]


def rows_as_seen(asked: Asked, file: Row, base: str, page: int) -> tuple[list[SeenRow], str]:
    """The rows of a page, counted from 1, and what is wrong where none can be shown. Reads the file, which takes a
    while."""
    from whet.api import show  # loads torch, which a page without it need not wait for

    settings = asked.service.settings
    place = job_folder(settings.home, new_id("look-")) / TRAINING
    root = run_root(settings.home, asked.caller.project)
    most = min(LOOKED_AT, page * A_PAGE)
    try:
        with linked(content_of(settings.home, file.id), place):
            keys: Any = {"base": bases_of(settings)[base], "method": _method(place)}
            found: Any = show(str(place), rows=most, run_root=root, **keys)
    except WhetError as error:
        return [], plain_places(str(error))
    finally:
        remove(place.parent)
    shown = found["rows"][(page - 1) * A_PAGE : most]
    return [SeenRow(plain_places(row["where"]), row["tokens"], row["supervised"], row["pieces"]) for row in shown], ""


def _method(place: Path) -> str:
    kind = method_of_file(place)["kind"]
    return kind if kind != "grpo" else "sft"
