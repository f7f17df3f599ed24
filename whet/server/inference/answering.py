"""Everything that answers, as one thing that the service holds."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial

from whet.server.access.caller import Caller
from whet.server.access.rates import Rates, limits_of
from whet.server.database.opening import Database
from whet.server.errors import ApiError
from whet.server.inference.catalogue import Catalogue, ServedModel
from whet.server.inference.engines.engine import Engine, EngineModel
from whet.server.inference.hosting.hosts import Hosts, OpenedModel
from whet.server.inference.hosting.scorers import Scorers, ScoringModel
from whet.server.inference.metering import Meter
from whet.server.metrics import Metrics
from whet.server.settings import Settings
from whet.server.telemetry.watch import WATCH

TO_CHAT = "it writes words and gives no scores: ask it at /v1/chat/completions."
log = logging.getLogger("whet.server")


class Answering:
    """Raises InputError where the service was started with names of models that are none, or an engine that is none."""

    def __init__(self, settings: Settings, database: Database, metrics: Metrics, rates: Rates) -> None:
        self.settings, self.metrics, self.rates = settings, metrics, rates
        self.catalogue = Catalogue(settings, database)
        self.hosts, self.scorers = Hosts(settings), Scorers()
        self.engine = Engine(settings) if settings.engine else None

    async def find(self, name: str, caller: Caller) -> ServedModel:
        """Raises ApiError 404."""
        return await asyncio.to_thread(self.catalogue.find, name, caller.project)

    async def open_writer(self, served: ServedModel, caller: Caller | None) -> OpenedModel | EngineModel:
        """The model, proved, once it is loaded; without a caller, what it writes is counted for nobody. Raises
        ApiError."""
        opened = await self._open(served)
        return replace(opened, meter=self.meter(served.name, caller)) if caller else opened

    def meter(self, name: str, caller: Caller) -> Meter:
        """Where what this caller asks of the model of this name is counted."""
        watch = WATCH.get()
        if watch:
            watch.opened(name)
        spend = partial(self.rates.spend, str(caller.key), limits_of(caller, self.settings))
        return Meter(self.metrics, name, spend, watch)

    @property
    def has_room(self) -> bool:
        """Whether nobody waits, and half of the places are free."""
        half = self.settings.slots // 2
        if self.engine is not None and self.engine.inside > half:
            return False
        return all(host.waiting == 0 and host.running <= half for host in list(self.hosts.held.values()))

    async def _open(self, served: ServedModel) -> OpenedModel | EngineModel:
        if self.engine is not None:
            return await self.engine.open(served)
        return await self.hosts.open(served)

    def measure(self) -> None:
        """Set the numbers that are looked at rather than counted."""
        for host in list(self.hosts.held.values()):
            self.metrics.running.labels(host.name).set(host.running)
            self.metrics.waiting.labels(host.name).set(host.waiting)
            self.metrics.cache_use.labels(host.name).set(host.kv_use)
        if self.engine is not None:
            self.metrics.running.labels("engine").set(self.engine.inside)

    async def open_scorer(self, served: ServedModel, instead: str = TO_CHAT) -> ScoringModel:
        """The same of a model with a head; `instead` is what is said of one without."""
        return await self.scorers.open(served, instead)

    async def warm(self) -> None:
        """Loads the bases that the service was started with, one after the other, before anybody asks; of an engine, it
        looks whether they are there."""
        for base in self.catalogue.bases.values():
            try:
                await self._open(base)
            except ApiError as error:  # whoever asks for it is told; the others answer
                log.error("%s", error.message)

    async def leave(self) -> None:
        """Lets go of the engine. In the event loop, once nobody asks any more."""
        if self.engine is not None:
            await self.engine.close()

    def close(self) -> None:
        """Lets answers end; blocks."""
        self.hosts.close(self.settings.drain_seconds)
        self.scorers.close()
