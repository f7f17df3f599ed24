"""The hosts of a service: opened at first use, proved before they answer, and closed when others need their place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from whet.errors import InputError, ProofError, WhetError
from whet.model.base import Base
from whet.model.open import prove_trained, refuse_other_weights
from whet.model.saved_model import ModelFacts, prove_weights, read_facts
from whet.server.errors import ApiError
from whet.server.inference.catalogue import ServedModel
from whet.server.inference.hosting.host import Host, as_api_error
from whet.server.inference.hosting.replay import Replay, golden_of_served, prove_served
from whet.server.inference.hosting.weights import Weights, weights_of_base, weights_under
from whet.server.inference.metering import Meter
from whet.server.inference.words.wording import Wording, Wordings
from whet.server.settings import Settings
from whet.server.traces.recording import Answerer, Recording
from whet.store.checksums import weights_digest

MOST_HOSTS = 8
"""Bases and whole models in memory at once; idle ones make room."""
REFUSED_SECONDS = 60.0
"""How long a model that failed its proof is refused without being asked again."""
log = logging.getLogger("whet.server")


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """What answers for a name."""

    served: ServedModel
    host: Host
    adapter: str | None
    """Its name in the batch; None where the host's own weights answer."""
    wording: Wording
    facts: ModelFacts | None
    """None for a base."""
    context: int
    """Most tokens of a prompt with its answer."""
    size: int
    """Tokens of the model."""
    fingerprint: str
    """Short, of base and adapter: OpenAI's system_fingerprint."""
    meter: Meter | None = None
    """Where what is asked of it is counted."""
    trace: Recording | None = None
    """Where its answers to one request are written down."""

    @property
    def answerer(self) -> Answerer:
        """For traces."""
        return Answerer(self.served.name, self.served.version, self.fingerprint)

    @property
    def has_conversations(self) -> bool:
        """False for a model that learned plain text."""
        return self.facts is None or bool(self.facts["golden_ids"])


@dataclass(frozen=True, slots=True)
class _Refused:
    error: ApiError
    until: float


class Hosts:
    """Used in one event loop."""

    def __init__(self, settings: Settings, make: Callable[..., Host] = Host) -> None:
        self.settings, self.make = settings, make
        self.wordings = Wordings()
        self.held: dict[Weights, Host] = {}
        self._weights: dict[str, Weights] = {}
        """Under each base, by its name, and each trained model, by folder and weights."""
        self._proofs: WeakKeyDictionary[Host, dict[str, asyncio.Task[None]]] = WeakKeyDictionary()
        """By folder and weights: done without an error, it is proved, as long as this host holds it."""
        self._refused: dict[str, _Refused] = {}

    async def open(self, served: ServedModel) -> OpenedModel:
        """Raises ApiError: 400 for a model that writes no words, 503 for one that is not proved or cannot be loaded."""
        try:
            if served.folder is None:
                return await self._open_base(served)
            return await self._open_trained(served)
        except ApiError:
            raise
        except WhetError as error:
            log.warning("%s is not served: %s", served.name, error)
            raise not_served(served, error) from error

    def close(self, seconds: float) -> None:
        """Lets answers end for so long; blocks."""
        until = time.monotonic() + seconds
        for host in self.held.values():
            host.close(max(0.0, until - time.monotonic()))
        for host in self.held.values():
            host.await_end()

    async def _open_base(self, served: ServedModel) -> OpenedModel:
        assert served.base is not None
        if served.base not in self._weights:
            self._weights[served.base] = await asyncio.to_thread(weights_of_base, served.base)
        host = self.host(self._weights[served.base])
        base = await host.base()
        wording = await asyncio.to_thread(self.wordings.of_base, served.base)
        fingerprint = f"fp_{base.fingerprint[:12]}"
        return OpenedModel(served, host, None, wording, None, host.capacity, vocabulary(base), fingerprint)

    async def _open_trained(self, served: ServedModel) -> OpenedModel:
        assert served.folder is not None
        facts = await asyncio.to_thread(read_facts, served.folder)
        if "head" in facts:
            what = f"{served.name!r} gives scores and writes no words: ask it at /v1/classify or /v1/moderations."
            raise ApiError(400, what, code="model_not_supported", param="model")

        digest = weights_digest(facts)
        key = f"{served.folder}:{digest}"
        self._refuse_unproved(key)
        wording = await asyncio.to_thread(self.wordings.of_trained, served.folder, facts)
        if key not in self._weights:
            trust = await asyncio.to_thread(_trusts, served)
            self._weights[key] = weights_under(served.folder, facts, digest, trust)
        host = self.host(self._weights[key])
        adapter = None if facts["adapter"] == "full" else key
        if adapter is not None:
            host.adapters[adapter] = served.folder

        base = await host.base()
        if adapter is not None:
            refuse_other_weights(base, facts, served.folder)
        await self._proved(served, key, facts, Replay(host, adapter, wording, vocabulary(base), facts["dtype"]))
        fingerprint = f"fp_{base.fingerprint[:12]}_{digest[:8]}"
        return OpenedModel(served, host, adapter, wording, facts, host.capacity, vocabulary(base), fingerprint)

    def host(self, weights: Weights) -> Host:
        """The host of these weights; a new one where there is none, or it has failed."""
        held = self.held.get(weights)
        if held is not None and not held.broken:
            return held
        self._make_room()
        settings = self.settings
        self.held[weights] = self.make(
            weights.base,
            weights.open,
            slots=settings.slots,
            most_waiting=settings.most_waiting,
            request_seconds=settings.request_seconds,
        )
        return self.held[weights]

    def _make_room(self) -> None:
        self.held = {weights: host for weights, host in self.held.items() if not host.broken}
        idle = sorted((one for one in self.held if self.held[one].idle), key=lambda one: self.held[one].used)
        while len(self.held) >= MOST_HOSTS and idle:
            self.held.pop(idle.pop(0)).close()

    async def _proved(self, served: ServedModel, key: str, facts: ModelFacts, replay: Replay) -> None:
        """Once for a model in the life of its host, whoever asks first: others wait for the same proof."""
        proofs = self._proofs.setdefault(replay.host, {})
        if key not in proofs:
            proofs[key] = asyncio.create_task(_prove(served, facts, replay))
        try:
            await asyncio.shield(proofs[key])
        except WhetError as error:
            proofs.pop(key, None)
            self._refused[key] = _Refused(not_served(served, error), time.monotonic() + REFUSED_SECONDS)
            raise
        except ApiError:
            proofs.pop(key, None)
            raise

    def _refuse_unproved(self, key: str) -> None:
        refused = self._refused.get(key)
        if refused is None:
            return
        if refused.until > time.monotonic():
            raise refused.error
        del self._refused[key]


def vocabulary(base: Base) -> int:
    """Tokens that the model gives a probability."""
    return int(base.model.get_output_embeddings().weight.shape[0])


def _trusts(served: ServedModel) -> bool:
    """May the base bring code of its own? As the recipe of the run says."""
    return served.run.recipe.trust_remote_code if served.run else False


async def _prove(served: ServedModel, facts: ModelFacts, replay: Replay) -> None:
    assert served.folder is not None
    run = served.run
    if run is None:  # a checkpoint: nothing was asked of it yet
        await asyncio.to_thread(_prove_files, served, facts)
        return

    await asyncio.to_thread(prove_trained, run, None)
    golden = await asyncio.to_thread(golden_of_served, run, facts)
    if golden is None:
        log.warning("%s has no golden answers: it is served on its checksums alone", served.name)
        return
    await prove_served(golden, replay)


def _prove_files(served: ServedModel, facts: ModelFacts) -> None:
    assert served.folder is not None
    prove_weights(facts, served.folder)


def not_served(served: ServedModel, error: WhetError) -> ApiError:
    """What a client is told of a model that cannot answer. Where its files lie is the log's to say."""
    stays = {"x-should-retry": "false"}
    if served.folder is None:
        what = f"The model {served.name!r} cannot be loaded: {error.what}."
        return ApiError(503, what, code="model_not_loaded", param="model", headers=stays)
    if isinstance(error, ProofError | InputError):
        what = f"The model {served.name!r} is not served, because it could not be proved: {error.what}."
        return ApiError(503, what, code="model_not_proved", param="model", headers=stays)
    return as_api_error(error)
