"""POST /v1/moderations: a classifier that Whet trained says which of its classes a text has.

Categories are the model's own classes, beside those of OpenAI's that it does not have: its clients' types need them. As
OpenAI does with what it did not look for, these are false, 0, and applied to nothing. A class that says that nothing is
wrong is no category.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request

from whet.server.access.caller import Inferring
from whet.server.errors import ApiError, unsupported
from whet.server.inference.bodies import WholeBody, refuse_unknown
from whet.server.inference.classes import NamedClasses, Scored, class_names, classify, has_several
from whet.server.inference.hosting.scorers import ScoringModel
from whet.server.routes.classify import nobody
from whet.server.service import Service, service_of
from whet.server.traces.recording import Recording
from whet.server.traffic.trying import Answers
from whet.server.traffic.writing import open_scorer

router = APIRouter(prefix="/v1", tags=["moderations"])
USUAL = "omni-moderation-latest"
"""The model that OpenAI's clients mean where they name none: here an alias, where the service was given one."""
NOTHING = ("safe", "ok", "okay", "none", "clean", "benign", "neutral", "normal", "nothing", "not_flagged")
"""Names of a class that says that nothing is wrong, in small letters."""
OPENAI = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip


class ModerationBody(WholeBody):
    model: str | None = None
    input: str | list[str] | list[dict[str, Any]]


@router.post("/moderations")
async def create_moderation(request: Request, body: ModerationBody, caller: Inferring) -> dict[str, Any]:
    """The classes of a classifier that was trained here, as categories with scores."""
    refuse_unknown(body, {})
    service = service_of(request)
    name = body.model or _usual(service)

    async def prepare(model: ScoringModel, trace: Recording) -> tuple[dict[str, Any], int]:
        harmless = _harmless(model, name)
        found, tokens = await classify(model, _texts(body.input), name, trace)
        results = [_result(one, harmless) for one in found if isinstance(one, NamedClasses)]
        return {"id": trace.id, "model": name, "results": results}, tokens

    async def reply(moderated: tuple[dict[str, Any], int]) -> dict[str, Any]:
        service.answering.meter(name, caller).read(moderated[1])
        return moderated[0]

    answers = Answers("modr-", partial(open_scorer, service.answering), prepare, reply, nobody)
    return await service.traffic.answer(request, body, name, caller, answers)


def _usual(service: Service) -> str:
    if USUAL in service.settings.aliases:
        return USUAL
    what = (
        "model is missing: name a classifier of this service; it has none of OpenAI's. For clients that name none, "
        f"start it with --alias {USUAL}=NAME."
    )
    raise ApiError(400, what, code="invalid_value", param="model")


def _harmless(model: ScoringModel, name: str) -> list[str]:
    """Classes that say that nothing is wrong. Raises ApiError for a model that cannot say so."""
    harmless = [label for label in class_names(model) if label.lower() in NOTHING]
    if not class_names(model) or not (harmless or has_several(model)):
        what = (
            f"{name!r} cannot moderate: none of its classes says that nothing is wrong. Give one such a name "
            f"({', '.join(NOTHING[:4])}), or train with method.task: multi-label; /v1/classify gives its classes."
        )
        raise ApiError(400, what, code="model_not_supported", param="model")
    return harmless


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
    own = {name: score for name, score in one.probabilities.items() if name not in harmless}
    categories = {name: name in one.named for name in own}
    return {
        "flagged": any(categories.values()),
        "categories": dict.fromkeys(OPENAI, False) | categories,
        "category_scores": dict.fromkeys(OPENAI, 0.0) | own,
        "category_applied_input_types": {name: [] for name in OPENAI} | {name: ["text"] for name in own},
    }
