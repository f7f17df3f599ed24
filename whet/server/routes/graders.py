"""/v1/fine_tuning/alpha/graders: a grader tried out on an answer, or looked at."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from whet.server.access.caller import Training
from whet.server.jobs.graders.build import Means, grader_of, refuse_grader
from whet.server.jobs.graders.spec import Grader, Multi
from whet.server.jobs.graders.templates import Sample
from whet.server.jobs.request import Body
from whet.server.service import service_of

router = APIRouter(prefix="/v1/fine_tuning/alpha/graders", tags=["fine-tuning"])


class RunBody(Body):
    grader: Grader
    model_sample: Annotated[str, Field(max_length=1 << 20)]
    item: dict[str, Any] | None = None
    reference_answer: Any = None


class ValidateBody(Body):
    grader: Grader


@router.post("/run")
def run(request: Request, caller: Training, body: RunBody) -> dict[str, Any]:
    """The grade that an answer gets."""
    means = Means.of(service_of(request).settings)
    refuse_grader(body.grader, means, "grader")
    item = dict(body.item or {})
    if body.reference_answer is not None:
        item.setdefault("reference_answer", body.reference_answer)

    began = time.perf_counter()
    grade = grader_of(body.grader, means)([Sample(body.model_sample, item)])[0]
    parts = grade.parts or {body.grader.name: grade.score}
    scores = {name: score for name, score in parts.items() if score is not None}
    return {
        "reward": 0.0 if grade.score is None else grade.score,
        "metadata": {
            "name": body.grader.name,
            "type": body.grader.type,
            "errors": grade.errors(),
            "execution_time": time.perf_counter() - began,
            "scores": scores,
            "token_usage": grade.tokens or None,
            "sampled_model_name": grade.model,
            "details": grade.why or None,
        },
        "sub_rewards": scores if isinstance(body.grader, Multi) else {},
        "model_grader_token_usage_per_model": {grade.model: grade.tokens} if grade.model else {},
    }


@router.post("/validate")
def validate(request: Request, caller: Training, body: ValidateBody) -> dict[str, Any]:
    """Whether a grader could be used in a job."""
    refuse_grader(body.grader, Means.of(service_of(request).settings), "grader")
    return {"grader": body.grader.model_dump(mode="json", exclude_unset=True)}
