"""Where jobs train: so many processes of this machine, or a Ray cluster by its address."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from whet.errors import InputError

SCHEMES = ("ray", "http", "https")
CLIENT_PORT = 10001
"""Of Ray's client server, where an address of the kind ray:// names none."""
OVERRIDING = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Variables that Ray obeys in the place of the address that it is given, in this order."""


def parse_workers(text: str) -> tuple[int, str]:
    """How many processes train here, and the address of the Ray cluster ("" for none).

    Raises InputError for what is neither a number nor such an address.
    """
    if text.isascii() and text.isdigit():
        return int(text), ""

    where = "--workers"
    fix = "write a number, http://HOST:8265 (Ray's dashboard), or ray://HOST:10001 (Ray's client)"
    try:
        parts = urlsplit(text)
        sound = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise InputError(
            "this is neither a number nor the address of a Ray cluster", where="--workers", value=text, fix=fix
        )
    if parts.username is not None or parts.query or parts.fragment:
        what = "the address of a Ray cluster is a host and a port: what else stands in it would be seen in logs"
        raise InputError(what, where=where, fix=fix + "; Ray takes its token from RAY_AUTH_TOKEN")
    return 1, text.rstrip("/")


def refuse_overridden(address: str, environment: Mapping[str, str] = os.environ) -> None:
    """Ray would go elsewhere. Raises InputError."""
    name = next((name for name in OVERRIDING if environment.get(name)), None)
    if name is not None and environment[name].rstrip("/") != address:
        what = f"Ray obeys the variable {name} in the place of this address"
        raise InputError(what, where="--workers", value=environment[name], fix=f"unset {name}, or give it this address")


def place_of(address: str) -> tuple[str, int]:
    """Host and port that must answer."""
    parts: SplitResult = urlsplit(address)
    usual = {"ray": CLIENT_PORT, "http": 80, "https": 443}[parts.scheme]
    return parts.hostname or "", parts.port or usual


def is_this_machine(host: str) -> bool:
    """Whether all addresses of a host are this machine's own; a name that nobody knows is not."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    return all(_is_own(family, place[0]) for family, _, _, _, place in found)


def _is_own(family: int, place: object) -> bool:
    """Only an address of one's own can be listened at."""
    with socket.socket(family, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((place, 0))
        except OSError:
            return False
    return True
