"""Releases from the studio: a worker writes and proves them, so that the page can be left and come back to."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from whet.release.catalogue import form_names
from whet.release.inspection.kept_proofs import FOLDER
from whet.server.errors import ApiError, not_found
from whet.server.jobs.chores import EXPORT, ChoreState, add_chore, latest_chores
from whet.store.model_registry import ModelVersion, NamedModel, is_there
from whet.web.asked import Asked
from whet.web.naming.facts import Standing, root_of, write_down

LARGEST = 200 * 1024 * 1024
"""Bytes of a release that a browser is given; a larger one is copied from its folder."""
PIECE = 256 * 1024
LATEST = 20


def work_on(asked: Asked, name: str) -> list[ChoreState]:
    """Exports of a model that wait, run, or were done within the last hour; the newest first."""
    found = latest_chores(asked.service.database, asked.caller.project, EXPORT, LATEST)
    return [one for one in found if one.subject["model"] == name]


def ask(asked: Asked, model: NamedModel, version: ModelVersion, form: str) -> None:
    """Raises ApiError for a form that there is not, a run that is gone, or one that is asked for already."""
    root = root_of(asked)
    if form not in form_names():
        what = f"No such form: {form!r}. The forms are: {', '.join(form_names())}."
        raise ApiError(400, what, code="no_such_form")
    if not is_there(version, root):
        raise ApiError(400, f"The run of {model.name}@{version.version} is gone.", code="run_gone")
    same = {"version": version.version, "form": form}
    if any(one.subject.items() >= same.items() for one in work_on(asked, model.name) if not one.is_over):
        raise ApiError(409, f"{form} of version {version.version} is being written already.", code="at_work")

    subject = {"run": version.run, "root": str(root.absolute()), "form": form}
    subject |= {"model": model.name, "version": version.version}
    database = asked.service.database
    with database.write() as connection:
        add_chore(connection, asked.caller.project, EXPORT, subject, database.now(connection))
    write_down(asked, "model.exported", f"{model.name}@{version.version}", form=form)


def place_of(found: Standing, folder: str) -> Path:
    """The folder of a release of the run itself, by its name. Raises ApiError 404, 413."""
    own = found.run.folder / FOLDER if found.run is not None else None
    for one in found.releases:
        place = Path(one.folder)
        if place.name == folder and place.parent == own:
            _refuse_large(place)
            return place
    raise not_found("release", folder)


def _refuse_large(place: Path) -> None:
    size = sum(file.stat().st_size for file in _files(place))
    if size > LARGEST:
        what = f"It has {size / 1e6:,.0f} MB, more than the {LARGEST / 1e6:,.0f} that browsers get: copy its folder."
        raise ApiError(413, what, code="release_too_large")


def _files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())


def archive(place: Path) -> Iterator[bytes]:
    """The folder as a zip, piece by piece. It is written to the disk first, because its length comes at its end."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
            for path in _files(place):
                packed.write(path, Path(place.name) / path.relative_to(place))
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece
