"""POST /v1/embeddings: vectors from models with a head that Whet trained."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request

from whet.server.access.caller import Inferring
from whet.server.errors import unsupported
from whet.server.inference.bodies import WholeBody, refuse_unknown
from whet.server.inference.hosting.scorers import ScoringModel
from whet.server.inference.vectors import Inputs, vectors_of, written
from whet.server.service import service_of

router = APIRouter(prefix="/v1", tags=["embeddings"])
INSTEAD = (
    "it writes words, and its hidden states were never trained to be compared. Name a model that was trained with "
    "method: classify or method: reward; to search documents, use /v1/vector_stores."
)


class EmbeddingBody(WholeBody):
    """`input`: a text, several, tokens, or for a reward model answered conversations (lists of messages)."""

    model: str
    input: Inputs
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


@router.post("/embeddings")
async def create_embedding(request: Request, body: EmbeddingBody, caller: Inferring) -> dict[str, Any]:
    """Of each input the vector that the model's head reads, at length 1."""
    refuse_unknown(body, {})
    answering = service_of(request).answering
    model = await answering.open_scorer(await answering.find(body.model, caller), INSTEAD)
    _refuse_dimensions(body.dimensions, model)

    vector_RD, tokens = await vectors_of(model, body.input, body.model)
    answering.meter(body.model, caller).read(tokens)
    encoding = body.encoding_format or "float"
    data = [
        {"object": "embedding", "index": number, "embedding": written(vector_D, encoding)}
        for number, vector_D in enumerate(vector_RD)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


def _refuse_dimensions(dimensions: int | None, model: ScoringModel) -> None:
    if dimensions not in (None, model.width):
        what = f"vectors of this model have {model.width:,} numbers, none of which can be left out; leave it out."
        raise unsupported("dimensions", what)
