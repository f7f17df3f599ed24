"""What bodies of all paths share: strict types, and no key that is ignored unless it changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from whet.errors import InputError, nearest
from whet.generation.serving.token_choice import TokenChoice
from whet.server.errors import ApiError, of_whet, unsupported

MOST_STOPS = 4
HARMLESS = ("user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "store",
            "service_tier", "modalities")  # fmt: skip
"""Keys that change no answer, as long as `store` is false and the tier is the only one that there is."""
ONLY: dict[str, tuple[Any, ...]] = {
    "store": (False,), "service_tier": ("auto", "default"), "modalities": (["text"],)
}  # fmt: skip
DEEPEST = 100
"""Levels of a body: schemas of tools have ten or so."""
SURROGATE = re.compile("[\ud800-\udfff]")
NOT_HERE = "this service does not have it; leave it out."
Stop = str | list[str]


class Body(BaseModel):
    """Numbers are numbers and texts are texts; unknown keys are held for `refuse_unknown`."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class WholeBody(Body):
    """The body of a request."""

    @model_validator(mode="before")
    @classmethod
    def refuse_unreadable(cls, value: Any) -> Any:
        _refuse_unreadable(value)
        return value


class StreamOptions(Body):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class SamplingBody(WholeBody):
    """How tokens are chosen, by OpenAI's names; `min_p` and `top_k` by those of other servers."""

    model: str
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: Stop | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def answers(self) -> int:
        return self.n or 1

    @property
    def stops(self) -> tuple[str, ...]:
        """Raises ApiError."""
        if self.stop is None:
            return ()
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        if len(stops) > MOST_STOPS or "" in stops:
            what = f"stop takes up to {MOST_STOPS} texts, none of them empty."
            raise ApiError(400, what, code="invalid_value", param="stop")
        return stops

    @property
    def wants_usage(self) -> bool:
        """Raises ApiError."""
        if self.stream_options:
            refuse_unknown(self.stream_options, {})
        return bool(self.stream_options and self.stream_options.include_usage)

    def choice(self, seed: int, vocabulary: int, top_logprobs: int = 0) -> TokenChoice:
        """Raises ApiError for what means nothing to the engine."""
        biases = self._biases(vocabulary)
        try:
            return TokenChoice(
                temperature=1.0 if self.temperature is None else self.temperature,
                top_p=1.0 if self.top_p is None else self.top_p,
                min_p=self.min_p or 0.0,
                top_k=self.top_k,
                seed=seed,
                presence_penalty=self.presence_penalty or 0.0,
                frequency_penalty=self.frequency_penalty or 0.0,
                logit_bias=biases,
                top_logprobs=top_logprobs,
            )
        except InputError as error:
            raise of_whet(error, error.where if error.where in type(self).model_fields else None) from error

    def _biases(self, vocabulary: int) -> dict[int, float]:
        biases = {}
        for key, value in (self.logit_bias or {}).items():
            if not (key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < vocabulary):
                what = f"logit_bias: {key!r} is no token of this model, which has the tokens 0 to {vocabulary - 1:,}."
                raise ApiError(400, what, code="invalid_value", param="logit_bias")
            biases[int(key)] = value
        return biases


def _refuse_unreadable(body: Any) -> None:
    """JSON may be nested without end, and hold half of a surrogate pair, which no tokenizer reads. Raises ApiError."""
    waiting: list[tuple[str, int, Any]] = [("", 0, body)]
    while waiting:
        where, depth, value = waiting.pop()
        if depth > DEEPEST:
            what = f"{where.partition('.')[0]} is nested more than {DEEPEST} levels deep."
            raise ApiError(400, what, code="invalid_value", param=where.partition(".")[0])
        if isinstance(value, str) and not value.isascii() and SURROGATE.search(value):
            raise _half_character(where)
        if isinstance(value, dict):
            if any(isinstance(key, str) and SURROGATE.search(key) for key in value):
                raise _half_character(where)
            waiting += [(f"{where}.{key}".lstrip("."), depth + 1, inner) for key, inner in value.items()]
        elif isinstance(value, list):
            inside = enumerate(value)
            waiting += [(f"{where}.{n}", depth + 1, one) for n, one in inside if isinstance(one, str | dict | list)]


def _half_character(where: str) -> ApiError:
    what = f"{where or 'The body'} holds half of a surrogate pair, which is no character."
    return ApiError(400, what, code="invalid_value", param=where or None)


def refuse_unknown(body: Body, refused: Mapping[str, str], more: Iterable[str] = ()) -> None:
    """Raises ApiError for a key that would change the answer and is not supported (`refused`: why), and for one that
    nobody knows. Explicit nulls are as good as nothing."""
    for key, value in (body.model_extra or {}).items():
        if value is None or (key in HARMLESS and value in ONLY.get(key, (value,))):
            continue
        if key in HARMLESS:
            allowed = " or ".join(json.dumps(one) for one in ONLY[key])
            raise unsupported(key, f"only {allowed} is known here.")
        if key in refused:
            raise unsupported(key, refused[key])

        known = [*type(body).model_fields, *HARMLESS, *refused, *more]
        what = f"Unknown parameter: {key!r}{nearest(key, known)}"
        raise ApiError(400, what, code="unknown_parameter", param=key)


class JsonSchema(Body):
    name: str
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Body):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None
