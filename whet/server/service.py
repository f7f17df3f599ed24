"""What all routes share: one of each, made when the application starts (application.py) and found by `service_of`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from whet.server.access.caller import Caller
from whet.server.access.keys import KeyRing
from whet.server.access.rates import Rates
from whet.server.database.opening import Database
from whet.server.files.content import Contents
from whet.server.inference.answering import Answering
from whet.server.jobs.supervisor import Workers
from whet.server.knowledge.library import Library
from whet.server.metrics import Metrics
from whet.server.settings import Settings
from whet.server.telemetry.opening import Telemetry
from whet.server.traces.tracing import Tracing
from whet.server.traffic.trying import Traffic


@dataclass(slots=True)
class Service:
    settings: Settings
    database: Database
    keys: KeyRing
    rates: Rates
    metrics: Metrics
    contents: Contents
    workers: Workers
    answering: Answering
    library: Library
    tracing: Tracing
    traffic: Traffic
    everybody: Caller
    """Who asks where no key is needed: of the project "default", and may do everything."""
    telemetry: Telemetry | None = None
    stopping: bool = False


def service_of(request: Request) -> Service:
    return request.app.state.service
