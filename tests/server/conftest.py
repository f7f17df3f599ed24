"""A Postgres of the test's own: Debian's programs over a folder that goes with the session."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from whet.server.database.opening import Database, open_database

PROGRAMS = "/usr/lib/postgresql"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of its server, without the name of a database."""
    versions = sorted(Path(PROGRAMS).glob("*/bin"), key=lambda path: int(path.parent.name))
    if not versions:
        pytest.skip(f"Postgres is not installed: there is nothing in {PROGRAMS}")

    folder = Path("/tmp") / f"whet-pg-{uuid.uuid4().hex[:8]}"  # its user must reach it, and pytest's folders are closed
    folder.mkdir()
    user = None
    if os.geteuid() == 0:  # which Postgres refuses to run as
        user = "postgres" if _known("postgres") else "nobody"
        shutil.chown(folder, user)

    programs, data = versions[-1], folder / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = [programs / "initdb", "-D", data, "-U", "whet", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(made, user=user, check=True, capture_output=True, cwd="/")
    settings = ["-c", "fsync=off", "-c", f"unix_socket_directories={folder}", "-c", "listen_addresses=127.0.0.1"]
    command = [programs / "postgres", "-D", data, "-p", str(port), *settings]
    server = subprocess.Popen(command, user=user, cwd="/", stderr=subprocess.DEVNULL)
    try:
        _await(port, server)
        yield f"postgresql://whet@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'whet.sqlite'}"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.close()


def new_database(server: str) -> str:
    import psycopg

    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server}/{name}"


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    import psycopg

    until = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(f"postgresql://whet@127.0.0.1:{port}/postgres").close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, "Postgres ended at its start"
            assert time.monotonic() < until, "Postgres does not answer"
            time.sleep(0.1)
