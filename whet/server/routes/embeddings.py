"""POST /v1/embeddings: refused, because no model that this service opens was trained to give vectors."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from whet.server.access.caller import Inferring
from whet.server.errors import ApiError
from whet.server.inference.bodies import WholeBody
from whet.server.service import service_of

router = APIRouter(prefix="/v1", tags=["embeddings"])
WHY = (
    "is no embedding model: the hidden states of a model that was trained to write or to classify are no vectors whose "
    "distance means anything. Ask a service for embeddings for them."
)


class EmbeddingBody(WholeBody):
    model: str
    input: str | list[str] | list[int] | list[list[int]]


@router.post("/embeddings")
async def create_embedding(request: Request, body: EmbeddingBody, caller: Inferring) -> dict[str, Any]:
    """Refused: no model here was trained to give vectors."""
    served = await service_of(request).answering.find(body.model, caller)
    raise ApiError(400, f"{served.name!r} {WHY}", code="model_not_supported", param="model")
