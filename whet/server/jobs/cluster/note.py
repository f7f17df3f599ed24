"""A note in the home folder for the machines of a cluster: which service this is, and where its database is.

It is how a Ray job learns the URL of the database, which may hold a password: what is submitted to Ray can be read by
all who use the cluster, and the note by the user alone who runs the service. A machine that does not find it does not
see the home folder.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import make_url

import whet
from whet.errors import InputError
from whet.server.settings import Settings
from whet.store.atomic import temporary_name

NOTE = "workers.json"
SHARE = "put --home on a file system that all machines of the cluster share, under the same path, for the same user"


@dataclass(frozen=True, slots=True)
class Note:
    service: str
    database: str
    version: str


def write_note(settings: Settings) -> Note:
    """Of a service whose note is there already, with the name that it has."""
    path = settings.home / NOTE
    name = read_note(settings.home).service if path.exists() else secrets.token_hex(8)
    note = Note(name, absolute_url(settings), whet.__version__)

    temporary = temporary_name(path)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(note), file)
    os.replace(temporary, path)
    return note


def read_note(home: Path, service: str | None = None, version: str | None = None) -> Note:
    """Of the service of this name and version, where they are given. Raises InputError."""
    where = str(home / NOTE)
    try:
        note = Note(**json.loads((home / NOTE).read_text("utf-8")))
    except FileNotFoundError as error:
        raise InputError("this machine does not see the home folder of the service", where=where, fix=SHARE) from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"the service's note cannot be read: {error}", where=where, fix=SHARE) from error

    if service not in (None, note.service):
        raise InputError("this home folder is that of another service", where=where, value=note.service, fix=SHARE)
    if version not in (None, note.version):
        what = f"the service is Whet {note.version}, and on this machine there is Whet {version}"
        raise InputError(what, where=where, fix="install the same version on all machines of the cluster")
    return note


def command_for(home: Path, note: Note, *more: str) -> str:
    """The line that Ray gives to a shell (whet/server/jobs/cluster/one_job.py reads it). Nothing in it is secret."""
    words = ["python", "-m", "whet.server.jobs.cluster.one_job", "--home", str(home.absolute())]
    return shlex.join(["exec", *words, "--service", note.service, *more])


def absolute_url(settings: Settings) -> str:
    """The database as it is called from another folder."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).absolute()))
    return url.render_as_string(hide_password=False)
