"""POST /v1/messages, another vendor's API: refused in words that say where to ask instead."""

from __future__ import annotations

from fastapi import APIRouter

from whet.server.errors import ApiError

router = APIRouter(prefix="/v1", tags=["chat"])


@router.post("/messages", include_in_schema=False)
async def refuse_messages() -> None:
    what = "This service speaks OpenAI's API, not Anthropic's: POST /v1/chat/completions takes the conversation."
    raise ApiError(404, what, code="unknown_url")
