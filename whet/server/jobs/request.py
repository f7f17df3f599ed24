"""The body of POST /v1/fine_tuning/jobs, as OpenAI's clients send it, and what of it is refused at once.

What is wrong with the files shows later, as the error of a job that failed.
"""

from __future__ import annotations

import hashlib
import json
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from whet.server.database.identifiers import refuse_unstorable
from whet.server.errors import ApiError, unsupported
from whet.server.jobs.graders.build import Means, refuse_grader
from whet.server.jobs.graders.spec import Grader

Auto = Literal["auto"]
Whole = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Label = Annotated[str, Field(max_length=512)]
MOST_EPOCHS, MOST_BATCH = 50, 1024
MOST_PAIRS, MOST_KEY = 16, 64
LARGEST_SEED = 2**31 - 1


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Hyperparameters(Body):
    """Of supervised jobs, and in every method."""

    n_epochs: Auto | Annotated[Whole, Field(le=MOST_EPOCHS)] | None = None
    batch_size: Auto | Annotated[Whole, Field(le=MOST_BATCH)] | None = None
    learning_rate_multiplier: Auto | Number | None = None


class DpoHyperparameters(Hyperparameters):
    beta: Auto | Number | None = None


class ReinforcementHyperparameters(Hyperparameters):
    compute_multiplier: Auto | Annotated[Number, Field(le=64)] | None = None
    eval_interval: Auto | Whole | None = None
    eval_samples: Auto | Whole | None = None
    reasoning_effort: Literal["default", "low", "medium", "high"] | None = None


class Supervised(Body):
    hyperparameters: Hyperparameters | None = None


class Dpo(Body):
    hyperparameters: DpoHyperparameters | None = None


class Reinforcement(Body):
    grader: Grader
    hyperparameters: ReinforcementHyperparameters | None = None
    response_format: Any = None


class MethodBody(Body):
    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Reinforcement | None = None


class JobBody(Body):
    """`whet` is this service's own: keys of a recipe that OpenAI's API has no word for."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    training_file: Annotated[str, Field(min_length=1, max_length=64)]
    validation_file: Annotated[str, Field(max_length=64)] | None = None
    method: MethodBody | None = None
    hyperparameters: Hyperparameters | None = None
    suffix: Annotated[str, Field(max_length=64)] | None = None
    seed: Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)] | None = None
    metadata: (
        Annotated[dict[Annotated[str, Field(max_length=MOST_KEY)], Label], Field(max_length=MOST_PAIRS)] | None
    ) = None
    integrations: list[Any] | None = None
    whet: dict[str, Any] | None = None

    @property
    def method_type(self) -> Literal["supervised", "dpo", "reinforcement"]:
        return self.method.type if self.method else "supervised"

    @property
    def settings(self) -> Hyperparameters:
        """The hyperparameters, wherever they stand."""
        own = self.method and getattr(self.method, self.method.type)
        given = own and own.hyperparameters
        return given or self.hyperparameters or Hyperparameters()

    @property
    def grader(self) -> Any:
        return self.method.reinforcement.grader if self.method and self.method.reinforcement else None

    @property
    def sha256(self) -> str:
        """By which a body that is sent again is known."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def told(self) -> dict[str, Any]:
        """What is kept of it: as it was sent, without what was left out."""
        return self.model_dump(mode="json", exclude_none=True, exclude_unset=True)


def refuse_job(body: JobBody, means: Means) -> None:
    """Raises ApiError 400 for what has no equal here, and for keys that contradict each other."""
    if body.integrations:
        raise unsupported("integrations", "follow the job's events, or read its result file.")
    _refuse_method(body, means)
    if body.suffix is not None and not body.suffix.strip():
        raise ApiError(400, "suffix: it is empty; leave it out.", code="invalid_value", param="suffix")
    refuse_unstorable("suffix", body.suffix)
    refuse_unstorable("metadata", *chain.from_iterable((body.metadata or {}).items()))


def _refuse_method(body: JobBody, means: Means) -> None:
    method = body.method
    if method is None:
        return

    if body.hyperparameters is not None:
        what = "hyperparameters: say them once, below method (at the top they are deprecated)."
        raise ApiError(400, what, code="invalid_value", param="hyperparameters")
    for name in ("supervised", "dpo", "reinforcement"):
        if name != method.type and getattr(method, name) is not None:
            what = f"method.{name}: the method is {method.type}."
            raise ApiError(400, what, code="invalid_value", param=f"method.{name}")

    if method.type != "reinforcement":
        return
    if method.reinforcement is None:
        what = "method.reinforcement: it needs a grader."
        raise ApiError(400, what, code="missing_required_parameter", param="method.reinforcement.grader")
    refuse_grader(method.reinforcement.grader, means, "method.reinforcement.grader")
    if method.reinforcement.response_format is not None:
        raise unsupported("method.reinforcement.response_format", "answers are written freely; grade their form.")
    _refuse_reinforcement(method.reinforcement.hyperparameters or ReinforcementHyperparameters())


def _refuse_reinforcement(given: ReinforcementHyperparameters) -> None:
    where = "method.reinforcement.hyperparameters"
    if given.reasoning_effort not in (None, "default"):
        raise unsupported(f"{where}.reasoning_effort", "the model answers as its template has it.")
    if given.eval_samples not in (None, "auto", 1):
        raise unsupported(f"{where}.eval_samples", "one answer is drawn to each validation row.")
