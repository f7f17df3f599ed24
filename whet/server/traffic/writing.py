"""Models are opened for a path of the API, with what their traces say of who answers."""

from __future__ import annotations

from whet.server.access.caller import Caller
from whet.server.inference.answering import Answering
from whet.server.inference.catalogue import ServedModel
from whet.server.inference.engines.engine import EngineModel
from whet.server.inference.hosting.hosts import OpenedModel
from whet.server.inference.hosting.scorers import ScoringModel
from whet.server.traces.recording import Answerer

Writer = OpenedModel | EngineModel


async def open_writer(answering: Answering, served: ServedModel, caller: Caller | None) -> tuple[Writer, Answerer]:
    """Raises ApiError."""
    opened = await answering.open_writer(served, caller)
    return opened, opened.answerer


async def open_scorer(answering: Answering, served: ServedModel, _: Caller | None) -> tuple[ScoringModel, Answerer]:
    """Of a model with a head, whose tokens are counted once they are read. Raises ApiError."""
    model = await answering.open_scorer(served)
    return model, Answerer(served.name, served.version, model.fingerprint)
