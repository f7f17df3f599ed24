"""What the scores of a model with a head mean: classes with their probabilities, a number, or a reward."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from whet.data.render.renderer import Renderer
from whet.data.rows.messages import clean_messages
from whet.errors import WhetError
from whet.evaluation.methods.classify import name_classes
from whet.server.errors import ApiError, of_whet, unsupported
from whet.server.inference.hosting.scorers import ScoringModel
from whet.server.traces.recording import AskedPrompt, Recording
from whet.training.classifier_folder import probabilities, scored_ids
from whet.training.learners.classify import Outputs
from whet.types import Message

MOST_TEXTS = 2048
Scored = str | list[dict[str, Any]]
"""A text for a classifier, an answered conversation for a reward model."""


@dataclass(frozen=True, slots=True)
class NamedClasses:
    """Of one text."""

    named: list[str]
    """At or above their thresholds, as evaluation names them."""
    probabilities: dict[str, float]
    """Of every class, in the order of the model."""


@dataclass(frozen=True, slots=True)
class Number:
    """A regression's number, or a reward."""

    value: float


async def classify(
    model: ScoringModel, texts: list[Scored], name: str, trace: Recording
) -> tuple[list[NamedClasses] | list[Number], int]:
    """What the model says of each text, and the tokens that it read; in `trace`, too. Raises ApiError."""
    if not 1 <= len(texts) <= MOST_TEXTS:
        what = f"input takes 1 to {MOST_TEXTS:,} texts, and has {len(texts):,}."
        raise ApiError(400, what, code="invalid_value", param="input")
    rows = await asyncio.to_thread(rows_of, model, texts, name)
    trace.asked([AskedPrompt(_messages(text), len(row)) for text, row in zip(texts, rows, strict=True)])
    score_RK = await model.scores(rows)
    found = _meaning(model, score_RK)
    for number, one in enumerate(found):
        trace.answer(number).say(_said(one))
    return found, sum(len(row) for row in rows)


def _meaning(model: ScoringModel, score_RK: Tensor) -> list[NamedClasses] | list[Number]:
    outputs = _outputs(model)
    if outputs is None:
        return [Number(value) for value in score_RK[:, 0].tolist()]
    if outputs.task == "regression":
        return [Number(value * outputs.spread + outputs.mean) for value in score_RK[:, 0].tolist()]

    probability_RK = probabilities(score_RK.double().numpy(), outputs.task)
    named = name_classes(outputs, probability_RK, model.head.get("thresholds"))
    found = []
    for names, probability_K in zip(named, probability_RK.tolist(), strict=True):
        found.append(NamedClasses(names, dict(zip(outputs.names, probability_K, strict=True))))
    return found


def _messages(text: Scored) -> list[Message]:
    return [{"role": "user", "content": text}] if isinstance(text, str) else text


def _said(one: NamedClasses | Number) -> str:
    """For a trace: the class, several as a list of JSON, or the number."""
    if isinstance(one, Number):
        return repr(one.value)
    return one.named[0] if len(one.named) == 1 else json.dumps(one.named, ensure_ascii=False)


def has_several(model: ScoringModel) -> bool:
    """May a text have several classes, or none?"""
    return model.head.get("task") == "multi-label"


def class_names(model: ScoringModel) -> list[str]:
    """Empty for a reward model and a regression."""
    return list(model.head.get("labels") or [])


def _outputs(model: ScoringModel) -> Outputs | None:
    head = model.head
    if "task" not in head:
        return None
    return Outputs(head["task"], tuple(head["labels"]), head["mean"], head["spread"])


def rows_of(model: ScoringModel, texts: Sequence[Scored], name: str) -> list[list[int]]:
    """The tokens of each text, as the model was trained to read it. Raises ApiError."""
    rows = []
    renderer = Renderer(model.tokenizer) if _outputs(model) is None else None
    for number, text in enumerate(texts):
        where = f"input.{number}"
        ids = _conversation(text, renderer, where) if renderer else _text(model, text, name, where)
        refuse_length(model, ids, where)
        rows.append(ids)
    return rows


def refuse_length(model: ScoringModel, ids: Sequence[int], where: str) -> None:
    """Raises ApiError for a row of tokens that is empty, or longer than what the model reads."""
    if not ids:
        raise ApiError(400, f"{where} is empty.", code="invalid_value", param=where)
    if len(ids) > model.context:
        what = f"This model's maximum context length is {model.context:,} tokens, and {where} has {len(ids):,}."
        raise ApiError(400, what, code="context_length_exceeded", param=where)


def _text(model: ScoringModel, text: Scored, name: str, where: str) -> list[int]:
    if not isinstance(text, str):
        raise unsupported(where, f"{name!r} classifies texts, not conversations.")
    return list(model.tokenizer(text)["input_ids"])


def _conversation(messages: Scored, renderer: Renderer, where: str) -> list[int]:
    if isinstance(messages, str):
        what = f"{where}: a reward model scores an answered conversation: send a list of messages."
        raise ApiError(400, what, code="invalid_value", param=where)
    try:
        cleaned: list[Message] = clean_messages(messages)
        if not cleaned or cleaned[-1]["role"] != "assistant":
            raise ApiError(400, f"{where} must end with the answer.", code="invalid_value", param=where)
        return scored_ids(renderer, cleaned)
    except WhetError as error:
        raise of_whet(error, where) from error
