"""POST /v1/moderations: a classifier that Whet trained says which of its classes a text has.

Categories are the model's own classes. A class that says that nothing is wrong is no category.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from whet.server.access.caller import Inferring
from whet.server.errors import ApiError, unsupported
from whet.server.inference.bodies import WholeBody, refuse_unknown
from whet.server.inference.classes import NamedClasses, Scored, class_names, classify, has_several
from whet.server.service import service_of
from whet.server.traces.asking import asking_of
from whet.server.traces.recording import Answerer

router = APIRouter(prefix="/v1", tags=["moderations"])
NOTHING = ("safe", "ok", "okay", "none", "clean", "benign", "neutral", "normal", "nothing", "not_flagged")
"""Names of a class that says that nothing is wrong, in small letters."""


class ModerationBody(WholeBody):
    model: str | None = None
    input: str | list[str] | list[dict[str, Any]]


@router.post("/moderations")
async def create_moderation(request: Request, body: ModerationBody, caller: Inferring) -> dict[str, Any]:
    """The classes of a classifier that was trained here, as categories with scores."""
    refuse_unknown(body, {})
    if body.model is None:
        what = "model is missing: name a classifier of this service; it has none of OpenAI's."
        raise ApiError(400, what, code="invalid_value", param="model")

    service = service_of(request)
    served, model = await service.answering.scorer(body.model, caller)
    harmless = [name for name in class_names(model) if name.lower() in NOTHING]
    if not class_names(model) or not (harmless or has_several(model)):
        what = (
            f"{body.model!r} cannot moderate: none of its classes says that nothing is wrong. Give one such a name "
            f"({', '.join(NOTHING[:4])}), or train with method.task: multi-label; /v1/classify gives its classes."
        )
        raise ApiError(400, what, code="model_not_supported", param="model")

    answerer = Answerer(served.name, served.version, model.fingerprint)
    with service.tracing.begin("modr-", asking_of(request, body, caller), answerer) as trace:
        found, _ = await classify(model, _texts(body.input), body.model, trace)
    results = [_result(one, harmless) for one in found if isinstance(one, NamedClasses)]
    return {"id": trace.id, "model": body.model, "results": results}


def _texts(given: str | list[str] | list[dict[str, Any]]) -> list[Scored]:
    if isinstance(given, str):
        return [given]
    texts: list[Scored] = []
    for number, one in enumerate(given):
        if isinstance(one, dict):
            if one.get("type") != "text" or not isinstance(one.get("text"), str):
                raise unsupported(f"input.{number}", "this service reads texts: send {type: text, text: ...}.")
            one = one["text"]
        texts.append(one)
    return texts


def _result(one: NamedClasses, harmless: list[str]) -> dict[str, Any]:
    scores = {name: score for name, score in one.probabilities.items() if name not in harmless}
    categories = {name: name in one.named for name in scores}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in scores},
    }
