"""POST /v1/classify: models with a head that Whet trained."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from fastapi import APIRouter, Request

from whet.server.access.caller import Inferring
from whet.server.inference.bodies import WholeBody, refuse_unknown
from whet.server.inference.classes import NamedClasses, Number, Scored, class_names, classify
from whet.server.inference.hosting.scorers import ScoringModel
from whet.server.service import service_of
from whet.server.traces.recording import Recording
from whet.server.traffic.trying import Answers
from whet.server.traffic.writing import open_scorer

router = APIRouter(prefix="/v1", tags=["classify"])


class ClassifyBody(WholeBody):
    """`input`: a text, several, or for a reward model answered conversations (lists of messages)."""

    model: str
    input: str | list[Scored]


@router.post("/classify")
async def create_classification(request: Request, body: ClassifyBody, caller: Inferring) -> dict[str, Any]:
    """Of each input the class with every probability, or a number."""
    refuse_unknown(body, {})
    service = service_of(request)
    texts: list[Scored] = [body.input] if isinstance(body.input, str) else body.input

    async def prepare(model: ScoringModel, trace: Recording) -> dict[str, Any]:
        found, tokens = await classify(model, texts, body.model, trace)
        classes = class_names(model)
        return {
            "id": trace.id,
            "object": "list",
            "created": int(time.time()),
            "model": body.model,
            "data": [{"index": number} | _shown(one, classes) for number, one in enumerate(found)],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0},
        }

    async def reply(classified: dict[str, Any]) -> dict[str, Any]:
        service.answering.meter(body.model, caller).read(classified["usage"]["prompt_tokens"])
        return classified

    answers = Answers("classify-", partial(open_scorer, service.answering), prepare, reply, nobody)
    return await service.traffic.answer(request, body, body.model, caller, answers)


async def nobody(_: object) -> None:
    """What was classified is in its trace, and nobody is told."""


def _shown(one: NamedClasses | Number, classes: list[str]) -> dict[str, Any]:
    if isinstance(one, Number):
        return {"score": one.value}
    return {
        "label": one.named[0] if one.named else None,
        "labels": one.named,
        "probs": list(one.probabilities.values()),
        "scores": one.probabilities,
        "num_classes": len(classes),
    }
