"""What all routes share: one of each, made when the application starts (application.py) and found by `service_of`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from whet.server.access.keys import KeyRing
from whet.server.database.opening import Database
from whet.server.files.content import Contents
from whet.server.jobs.supervisor import Workers
from whet.server.settings import Settings


@dataclass(slots=True)
class Service:
    settings: Settings
    database: Database
    keys: KeyRing
    contents: Contents
    workers: Workers


def service_of(request: Request) -> Service:
    return request.app.state.service
