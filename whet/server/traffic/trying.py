"""Requests to models, each answered by the version that who asks is to meet.

What a tried version cannot answer, the live one does: nobody is told an error because something was tried. An answer
that has begun ends on the version that began it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel

from whet.errors import WhetError
from whet.server.access.caller import Caller
from whet.server.access.gate import TOLD
from whet.server.errors import ApiError
from whet.server.inference.answering import Answering
from whet.server.inference.catalogue import ServedModel
from whet.server.inference.hosting.host import as_api_error
from whet.server.metrics import Metrics
from whet.server.traces.asking import Asking, TrialSide, asking_of
from whet.server.traces.record import TraceRecord
from whet.server.traces.recording import Answerer, Keep, Recording
from whet.server.traces.tracing import Tracing
from whet.server.traffic.shadowing import Shadow, Shadows
from whet.server.traffic.sharing import meets
from whet.store.model_registry import Trial

Opened = TypeVar("Opened")
Shape = TypeVar("Shape")
VERSION = "x-whet-version"
"""The header that tells which version of a named model answered."""
LEFT = "client_closed_request"
REASONS = ("model_not_proved", "model_not_loaded", "model_not_supported", "context_length_exceeded", "server_busy",
           "timeout", "engine_unreachable", "run_gone")  # fmt: skip
"""Why a tried version could not answer, as metrics tell it; all else is "failed"."""
log = logging.getLogger("whet.server.traffic")


@dataclass(frozen=True, slots=True)
class Answers(Generic[Opened, Shape]):
    """How a path of the API has a model answer."""

    kind: str
    """The joint of its ids, as "chatcmpl-"."""
    open: Callable[[ServedModel, Caller | None], Awaitable[tuple[Opened, Answerer]]]
    """Without a caller, nothing is counted for anybody."""
    prepare: Callable[[Opened, Recording], Awaitable[Shape]]
    reply: Callable[[Shape], Awaitable[Any]]
    """What the client gets, whole or as a stream that has begun."""
    whole: Callable[[Shape], Awaitable[object]]
    """The same, where nobody waits for it."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    request: Request
    body: BaseModel
    caller: Caller
    asking: Asking


class Traffic:
    """Used in one event loop."""

    def __init__(self, answering: Answering, tracing: Tracing, metrics: Metrics) -> None:
        self.answering, self.tracing, self.metrics = answering, tracing, metrics
        self.shadows = Shadows(answering, metrics)

    async def answer(
        self, request: Request, body: BaseModel, model: str, caller: Caller, answers: Answers[Any, Any]
    ) -> Any:
        """What the client gets who asks for this model. Raises ApiError."""
        asked = ModelRequest(request, body, caller, asking_of(request, body, caller))
        live = await self.answering.find(model, caller)
        if live.trial is None:
            return (await self._reply(asked, live, answers))[0]

        name = live.named.partition("@")[0]
        is_met = meets(live.trial, name, asked.asking, body)
        if live.trial.kind == "shadow":
            reply, told = await self._reply(asked, live, answers, "live")
            if is_met:
                self._shadow(asked, live, answers, told)
            return reply
        if not is_met:
            return (await self._reply(asked, live, answers, "live"))[0]
        return await self._by_new(asked, live, answers)

    async def close(self) -> None:
        """In the event loop, before the models leave."""
        await self.shadows.close()

    async def _by_new(self, asked: ModelRequest, live: ServedModel, answers: Answers[Any, Any]) -> Any:
        """By the version that is tried; where it cannot, by the live one."""
        held = HeldTraces(self.tracing.writer.put)
        try:
            tried = await asyncio.to_thread(self.answering.catalogue.tried, live)
            reply, _ = await self._reply(asked, tried, answers, "new", held.put, live.trial)
        except Exception as error:
            if isinstance(error, ApiError) and error.code == LEFT:
                held.release()
                raise
            failure = error
        except BaseException:
            held.release()
            raise
        else:
            held.release()
            return reply

        reply, _ = await self._reply(asked, live, answers, "instead")
        self._note(live, failure)  # what the live version refuses, too, was the request's own fault
        return reply

    async def _reply(
        self,
        asked: ModelRequest,
        served: ServedModel,
        answers: Answers[Any, Any],
        side: str = "",
        keep: Keep | None = None,
        trial: Trial | None = None,
    ) -> tuple[Any, str]:
        """What the client gets, and the id of its trace."""
        trial = trial or served.trial
        asking = replace(asked.asking, tried=TrialSide(trial.id, side)) if trial else asked.asking
        opened, answerer = await answers.open(served, asked.caller)
        with self.tracing.begin(answers.kind, asking, answerer, keep) as trace:
            reply = await answers.reply(await answers.prepare(opened, trace))
        if served.named:
            setattr(asked.request.state, TOLD, {VERSION: served.named})
            name, _, number = served.named.partition("@")
            self.metrics.version_requests.labels(name, number).inc()
        return reply, trace.id

    def _shadow(self, asked: ModelRequest, live: ServedModel, answers: Answers[Any, Any], told: str) -> None:
        """Has the tried version answer the same, later, and to nobody."""
        assert live.trial is not None
        trial, asking = live.trial, replace(asked.asking, tried=TrialSide(live.trial.id, "shadow", told))

        async def ask() -> bool:
            now = await self.answering.find(live.name, asked.caller)
            if now.trial is None or now.trial.id != trial.id:
                return False
            tried = await asyncio.to_thread(self.answering.catalogue.tried, now)
            opened, answerer = await answers.open(tried, None)
            with self.tracing.begin(answers.kind, asking, answerer) as trace:
                await answers.whole(await answers.prepare(opened, trace))
            return True

        size = asked.request.headers.get("content-length", "")
        name = live.named.partition("@")[0]
        kept = self.tracing.mode != "off"
        self.shadows.put(Shadow(name, trial.version, int(size) if size.isdigit() else 0, ask), kept)

    def _note(self, live: ServedModel, failure: Exception) -> None:
        assert live.trial is not None
        name, version = live.named.partition("@")[0], str(live.trial.version)
        if isinstance(failure, WhetError):
            reason, why = "run_gone", failure.what
        else:
            error = as_api_error(failure)
            reason, why = error.code or "failed", error.message
        log.warning("%s@%s could not answer, and the live version did: %s", name, version, why)
        self.metrics.tried_failed.labels(name, version, reason if reason in REASONS else "failed").inc()


class HeldTraces:
    """Traces of an attempt, which are nobody's until it is known that the client gets its answer."""

    def __init__(self, keep: Keep) -> None:
        self.keep = keep
        self._waiting: list[TraceRecord] | None = []

    def put(self, record: TraceRecord) -> None:
        if self._waiting is None:
            self.keep(record)
        else:
            self._waiting.append(record)

    def release(self) -> None:
        waiting, self._waiting = self._waiting or [], None
        for record in waiting:
            self.keep(record)
