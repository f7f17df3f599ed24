"""Starting the service: what is refused at once, the first key, and the web server."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from whet.errors import InputError, RunError
from whet.model.memory import share_heaps
from whet.server.access.caller import SCOPES
from whet.server.application import create_app
from whet.server.jobs.cluster.reach import refuse_cluster
from whet.server.service import Service
from whet.server.settings import Settings
from whet.server.telemetry.opening import open_telemetry


def serve(
    settings: Settings,
    announce: Callable[[str, str | None], None],
    give_key: bool = False,
    *,
    api: bool = True,
    dress: Callable[[FastAPI], object] = lambda app: None,
) -> None:
    """Runs until it is told to stop, and then lets answers end for `drain_seconds`.

    `announce` is called with the URL once requests are taken; with `give_key`, and where no key is there, also with the
    secret of a first one. `dress` puts on the application what else it shows, as pages. Raises InputError for a service
    that would be open to others, whose jobs cannot run on its Ray cluster, or whose spans cannot be sent as asked for;
    RunError for an address that is in use.
    """
    refuse_open(settings)
    share_heaps()
    with listening(settings) as heard:
        app = create_app(settings, open_telemetry(os.environ), api)
        dress(app)
        if settings.ray:
            refuse_cluster(settings)
        url = url_of(settings, heard.getsockname()[1])
        server = _Server(app, settings, lambda: announce(url, first_key(app.state.service) if give_key else None))
        server.run(sockets=[heard])


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it takes requests."""

    def __init__(self, app: object, settings: Settings, ready: Callable[[], None]) -> None:
        drain = int(settings.drain_seconds)
        logs = {"log_config": None, "access_log": False, "server_header": False}
        super().__init__(uvicorn.Config(app, timeout_graceful_shutdown=drain, lifespan="on", **logs))  # type: ignore[arg-type]
        self.ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Told to stop is the way that a service ends: uvicorn would raise the signal once more afterwards."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()


def refuse_open(settings: Settings) -> None:
    """Without keys, only this machine may ask. Raises InputError."""
    if settings.auth or is_loopback(settings.host):
        return
    what = "without keys everybody who reaches this address could use the models and start jobs"
    fix = "leave out --no-auth, or --host"
    raise InputError(what, where="--no-auth", value=f"--host {settings.host}", fix=fix)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening(settings: Settings) -> socket.socket:
    """The socket that is listened at; port 0 takes a free one. Raises RunError, InputError."""
    try:
        heard = socket.create_server(
            (settings.host, settings.port), family=_family(settings.host), backlog=2048, reuse_port=False
        )
        # What is accepted here inherits it. asyncio sets it on sockets of its own making alone, and without it an
        # answer in two parts waits 40 ms for the client to confirm the first.
        heard.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return heard
    except socket.gaierror as error:
        raise InputError("this is no address of this machine", where="--host", value=settings.host) from error
    except OSError as error:
        what = f"the address cannot be listened at: {error.strerror}"
        where = f"{settings.host}:{settings.port}"
        raise RunError(what, where=where, fix="stop what runs there, or give another --port") from error


def url_of(settings: Settings, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{shown}:{port}/v1"


def first_key(service: Service) -> str | None:
    """The secret of a key that may do everything, made where no key is there and keys are asked for."""
    if not service.settings.auth or service.keys.listed():
        return None
    return service.keys.create("first", "default", SCOPES)[1]


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
