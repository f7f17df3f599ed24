"""The engine switch: models of the catalogue that another server answers for.

A base is what the engine lists under the same name, or under the one that --engine-model gives. A tuned model is pushed
as an adapter where the engine has calls for that, or is what --engine-model names. Either is proved by its golden
answers before it serves.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from whet.errors import ModelError, ProofError, RunError, WhetError
from whet.model.saved_model import ModelFacts, read_facts
from whet.server.bases import listed_name
from whet.server.errors import ApiError
from whet.server.inference.catalogue import ServedModel
from whet.server.inference.engines.adapters import Adapter, EngineAdapters
from whet.server.inference.engines.client import AGAIN, STAYS, EngineClient, EngineLacks
from whet.server.inference.engines.kinds import Kind, kind_named, kind_of
from whet.server.inference.engines.proving import prove_at
from whet.server.inference.metering import Meter
from whet.server.settings import Settings
from whet.server.traces.recording import Answerer, Recording
from whet.store.checksums import weights_digest

REFUSED_SECONDS = 60.0
"""How long a model that was not proved is refused without being asked again."""
LOOK_SECONDS = 10.0
"""How long the engine's list of models is good for."""
log = logging.getLogger("whet.server")


@dataclass(frozen=True, slots=True)
class EngineModel:
    """What answers for a name, in the engine."""

    served: ServedModel
    engine: Engine
    kind: Kind
    there: str
    """Its name in the engine; of an adapter, its base's."""
    fingerprint: str
    adapter: Adapter | None = None
    meter: Meter | None = None
    trace: Recording | None = None
    """Where its answers to one request are written down."""

    @property
    def answerer(self) -> Answerer:
        """For traces."""
        return Answerer(self.served.name, self.served.version, self.fingerprint)

    async def events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The events of one request, whose model this sets. An adapter that the engine has lost is loaded once more.
        Raises ApiError."""
        begun = False
        for again in (True, False):
            try:
                async with (
                    self.engine.asking(self) as name,
                    aclosing(self.engine.client.events(path, body | {"model": name})) as events,
                ):
                    async for event in events:
                        begun = True
                        yield event
                return
            except EngineLacks:
                if self.adapter is None or begun or not again:
                    raise
                self.engine.lost(self.adapter)


class Engine:
    """Used in one event loop. Raises InputError for a URL, a kind or a key that is none."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = EngineClient(settings.engine, settings.engine_key, settings.request_seconds)
        self.inside = 0
        """Requests that the engine is answering."""
        self._named = kind_named(settings.engine_kind) if settings.engine_kind else None
        self._adapters: EngineAdapters | None = None
        self._proofs: dict[str, asyncio.Task[None]] = {}
        """Of models that lie in the engine by themselves: by name, weights and name there."""
        self._refused: dict[str, tuple[float, ApiError]] = {}
        self._seen: tuple[Kind, list[dict[str, Any]]] | None = None
        self._seen_at = 0.0

    async def open(self, served: ServedModel) -> EngineModel:
        """Raises ApiError: 400 for a model that writes no words, 503 for one that the engine cannot serve, and where it
        is away."""
        try:
            kind, listed = await self._look()
            if served.folder is None:
                there = self._there(_own_name(served), served.base, listed)
                return EngineModel(served, self, kind, there, _fingerprint(kind, there))
            return await self._open_trained(served, kind, listed)
        except WhetError as error:
            raise _not_served(served, error) from error

    @asynccontextmanager
    async def asking(self, model: EngineModel) -> AsyncGenerator[str]:
        """The name to ask for; its adapter stays in the engine within this block. Raises ApiError."""
        most = self.settings.slots + self.settings.most_waiting
        if self.inside >= most:
            what = f"{most:,} requests wait for the engine already: try again later."
            raise ApiError(429, what, code="server_busy", headers={"Retry-After": "1"})
        self.inside += 1
        try:
            if model.adapter is None:
                yield model.there
                return
            async with self._using(model.served, model.adapter) as name:
                yield name
        finally:
            self.inside -= 1

    def lost(self, adapter: Adapter) -> None:
        """The engine does not know it any more."""
        assert self._adapters is not None
        self._adapters.forget(adapter)

    async def close(self) -> None:
        if self._adapters is not None:
            await self._adapters.close()
        for proof in self._proofs.values():
            proof.cancel()
        await asyncio.gather(*self._proofs.values(), return_exceptions=True)
        await self.client.aclose()

    async def _look(self) -> tuple[Kind, list[dict[str, Any]]]:
        """What the engine is, and which models it lists, not long ago at least."""
        if self._seen is not None and self._seen_at + LOOK_SECONDS > time.monotonic():
            return self._seen
        answer = await self.client.get("/models")
        listed = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            what = "The engine gives no list of models: its URL must reach as far as /v1."
            raise ApiError(502, what, code="engine_error", headers=STAYS)
        models = [one for one in listed if isinstance(one, dict) and one.get("id")]
        kind = self._named or kind_of(one.get("owned_by") for one in models)
        self._seen, self._seen_at = (kind, models), time.monotonic()
        return self._seen

    def _there(self, wanted: str, base: str | None, listed: list[dict[str, Any]]) -> str:
        """The name in the engine of what is `wanted` here; `base` as load_base takes it, which engines know as `root`.
        Raises ModelError, with the names that there are."""
        ids = [str(one["id"]) for one in listed]
        name = self.settings.engine_models.get(wanted)
        if name is None:
            same = (str(one["id"]) for one in listed if one["id"] == wanted or (base and one.get("root") == base))
            name = next(same, wanted)
        if name in ids:
            return name
        fix = f"add --engine-model {wanted}=NAME, with one of: {', '.join(ids) or 'none'}"
        raise ModelError(f"the engine has no model {name!r}", fix=fix)

    async def _open_trained(self, served: ServedModel, kind: Kind, listed: list[dict[str, Any]]) -> EngineModel:
        assert served.folder is not None
        facts = await asyncio.to_thread(read_facts, served.folder)
        if "head" in facts:
            what = f"{served.name!r} gives scores and writes no words: ask it at /v1/classify or /v1/moderations."
            raise ApiError(400, what, code="model_not_supported", param="model")

        digest = weights_digest(facts)
        if _own_name(served) in self.settings.engine_models:
            there = self._there(_own_name(served), None, listed)
            proof = partial(prove_at, self.client, served, facts, there)
            await self._proved(served, f"{served.folder}:{digest}:{there}", proof)
            return EngineModel(served, self, kind, there, _fingerprint(kind, there, digest))

        there, adapter = self._adapter(served, kind, facts, digest, listed)
        async with self._using(served, adapter):
            return EngineModel(served, self, kind, there, _fingerprint(kind, there, digest), adapter)

    def _adapter(
        self, served: ServedModel, kind: Kind, facts: ModelFacts, digest: str, listed: list[dict[str, Any]]
    ) -> tuple[str, Adapter]:
        if kind.adapters is None or facts["adapter"] == "full":
            why = "its weights are whole" if facts["adapter"] == "full" else f"{kind.name} is sent no adapters"
            fix = f"let the engine serve its merged form, and add --engine-model {_own_name(served)}=NAME"
            raise ModelError(f"the engine does not have it, and {why}", fix=fix)
        assert served.folder is not None
        if self._adapters is None:
            self._adapters = EngineAdapters(self.client, kind.adapters, self.settings.engine_adapters)
        there = self._there(listed_name(facts["base"]), facts["base"], listed)
        own = hashlib.blake2b(f"{served.folder}:{digest}".encode(), digest_size=10).hexdigest()
        return there, Adapter(f"whet-{own}", served.folder, there, partial(prove_at, self.client, served, facts))

    @asynccontextmanager
    async def _using(self, served: ServedModel, adapter: Adapter) -> AsyncGenerator[str]:
        assert self._adapters is not None
        self._refuse_again(adapter.name)
        entered = False
        try:
            async with self._adapters.using(adapter) as name:
                entered = True
                yield name
        except WhetError as error:
            if entered:
                raise
            raise self._remember(adapter.name, served, error) from error

    async def _proved(self, served: ServedModel, key: str, prove: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Once for a model that lies in the engine by itself, whoever asks first."""
        self._refuse_again(key)
        if key not in self._proofs:
            self._proofs[key] = asyncio.create_task(prove())
        try:
            await asyncio.shield(self._proofs[key])
        except WhetError as error:
            self._proofs.pop(key, None)
            raise self._remember(key, served, error) from error

    def _refuse_again(self, key: str) -> None:
        until, error = self._refused.get(key, (0.0, None))
        if error is not None and until > time.monotonic():
            raise error
        self._refused.pop(key, None)

    def _remember(self, key: str, served: ServedModel, error: WhetError) -> ApiError:
        refusal = _not_served(served, error)
        if refusal.headers == STAYS:
            self._refused[key] = (time.monotonic() + REFUSED_SECONDS, refusal)
        return refusal


def _own_name(served: ServedModel) -> str:
    """What an alias stands for, too."""
    return served.root or served.name


def _fingerprint(kind: Kind, there: str, digest: str = "") -> str:
    """Short, of the engine's model and the tuned weights: OpenAI's system_fingerprint."""
    return f"fp_{hashlib.blake2b(f'{kind.name}:{there}:{digest}'.encode(), digest_size=6).hexdigest()}"


def _not_served(served: ServedModel, error: WhetError) -> ApiError:
    """What a client is told; the log has the fix, which is the operator's."""
    log.warning("%s is not served: %s", served.name, error)
    if isinstance(error, RunError) and not isinstance(error, ProofError):
        what = "The engine that writes for this service cannot be reached: try again later."
        return ApiError(503, what, code="engine_unreachable", headers=AGAIN)
    code = "model_not_loaded" if isinstance(error, ModelError) else "model_not_proved"
    what = f"The model {served.name!r} is not served: {error.what}."
    return ApiError(503, what, code=code, param="model", headers=STAYS)
