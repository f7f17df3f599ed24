"""What is asked is made ready for whoever answers it."""

from __future__ import annotations

from whet.server.errors import unsupported
from whet.server.inference.asked import Asked
from whet.server.inference.completion import Completion, CompletionBody, prepare_completion
from whet.server.inference.conversation import ChatBody, prepare
from whet.server.inference.engines.completion import EngineCompletion, complete_there
from whet.server.inference.engines.conversation import prepare_there
from whet.server.inference.engines.engine import EngineModel
from whet.server.inference.hosting.hosts import OpenedModel
from whet.server.inference.sources import Sources


async def prepare_chat(body: ChatBody, opened: OpenedModel | EngineModel, sources: Sources | None = None) -> Asked:
    """`sources` puts passages of documents into it. Raises ApiError for what cannot be asked."""
    if isinstance(opened, OpenedModel):
        return await prepare(body, opened, sources)
    if sources is not None:
        raise unsupported("documents", "the service's own engine alone answers from documents.")
    return prepare_there(body, opened)


async def prepare_text(body: CompletionBody, opened: OpenedModel | EngineModel) -> Completion | EngineCompletion:
    """Raises ApiError for what cannot be asked."""
    if isinstance(opened, OpenedModel):
        return await prepare_completion(body, opened)
    return complete_there(body, opened)
