"""/play: models answer side by side; what one says of an answer is kept as the API keeps it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from whet.server.inference.conversation import ChatBody
from whet.server.routes.chat import create_chat_completion
from whet.server.routes.feedback import FeedbackBody, create_feedback
from whet.web.asked import Inferrer
from whet.web.page import PageRoute, show

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Text = Annotated[str, Query(max_length=20_000)]
CHECKPOINT = ":ckpt-step-"
"""In the names of a job's checkpoints, which are offered where the address names them."""
MOST = 4
"""Models beside each other."""


@router.get("/play")
def play(
    asked: Inferrer,
    models: Annotated[str, Query(max_length=1000)] = "",
    system: Text = "",
    prompt: Text = "",
    temperature: Annotated[float, Query(ge=0, le=2)] = 0.0,
    max_tokens: Annotated[int, Query(ge=1, le=100_000)] = 200,
    seed: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    form: Text = "",
) -> Response:
    """Models, question and settings are in the address: a link shows the same. `form` is a JSON schema."""
    named = models.split(",")
    known = [one.name for one in asked.models() if CHECKPOINT not in one.name or one.name in named]
    chosen = [name for name in named if name in known][:MOST] or known[:1]
    missing = [name for name in named if name and name not in known]
    given = {"system": system, "prompt": prompt, "temperature": temperature, "max_tokens": max_tokens, "seed": seed}
    view = {"known": known, "chosen": chosen, "missing": missing, "form": form, "most": MOST, **given}
    return show(asked, "play/play.html.j2", **view)


@router.post("/play/answer", response_model=None)
async def answer(asked: Inferrer, body: ChatBody) -> Response | dict[str, Any]:
    """As POST /v1/chat/completions, for whoever is signed in here."""
    return await create_chat_completion(asked.request, body, asked.caller)


@router.post("/play/feedback")
def say(asked: Inferrer, body: FeedbackBody) -> dict[str, Any]:
    """As POST /v1/feedback."""
    return create_feedback(asked.request, body, asked.caller)
