"""Another vendor's API: refused in words that say where to ask instead."""

from __future__ import annotations

from fastapi import APIRouter

from whet.server.access.gate import ANTHROPIC
from whet.server.errors import ApiError

router = APIRouter(tags=["chat"])


async def refuse_anthropic() -> None:
    """Whoever asks, with a key or without one: its clients send theirs in another header, and a word of a missing key
    would lead them astray."""
    what = (
        "This service speaks OpenAI's API, not Anthropic's: POST /v1/chat/completions takes the conversation, and the "
        "key goes into 'Authorization: Bearer KEY'."
    )
    raise ApiError(404, what, code="unknown_url")


for path in ANTHROPIC:
    router.add_api_route(path, refuse_anthropic, methods=["POST"], include_in_schema=False)
