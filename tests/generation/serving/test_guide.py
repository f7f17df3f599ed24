"""Guided answers parse, and hold to their schema, whatever the model would rather say."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.generation.serving.writing import asked, finish
from whet.errors import InputError
from whet.generation.serving.guide import json_object_guide, json_schema_guide
from whet.generation.serving.open_batch import OpenBatch
from whet.generation.serving.token_choice import TokenChoice
from whet.model.base import Base
from whet.rewards.json_schema import valid

END = 1
NAME = {"type": "string", "maxLength": 12}


def closed(**properties: Any) -> dict[str, Any]:
    required = sorted(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


SCHEMAS: list[dict[str, Any]] = [
    closed(),
    closed(a={"type": "integer", "minimum": 0, "maximum": 99}),
    closed(a={"type": "integer", "exclusiveMinimum": -5, "exclusiveMaximum": 5}),
    closed(a={"type": "number", "minimum": 0, "maximum": 1}),
    closed(a={"type": "boolean"}),
    closed(a={"type": "null"}),
    closed(a=NAME),
    closed(a={"type": "string", "minLength": 3, "maxLength": 5}),
    closed(a={"type": "string", "pattern": "^[a-f]{4}$"}),
    closed(a={"enum": ["red", "green", "blue"]}),
    closed(a={"const": "fixed"}),
    closed(a={"enum": [1, 2.5, None, True, "x"]}),
    closed(a={"anyOf": [{"type": "integer", "maximum": 9, "minimum": 0}, {"type": "null"}]}),
    closed(a={"type": ["boolean", "null"]}),
    closed(a={"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4}),
    closed(a={"type": "array", "items": {"enum": ["x", "y"]}, "maxItems": 3}),
    closed(a={"type": "array", "items": closed(b={"type": "boolean"}), "maxItems": 2}),
    closed(a=closed(b=closed(c={"type": "boolean"}))),
    closed(a={"type": "boolean"}, b={"type": "boolean"}, c={"type": "boolean"}),
    closed(city=NAME, days={"type": "integer", "minimum": 1, "maximum": 14}),
    {"type": "object", "properties": {"a": {"type": "boolean"}}, "additionalProperties": False},
    {"type": "object", "properties": {"a": {"type": "boolean"}}, "additionalProperties": {"type": "null"}},
    {"type": "object", "additionalProperties": {"type": "boolean"}, "maxProperties": 2},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
    {"type": "array", "items": {"type": "array", "items": {"type": "null"}, "maxItems": 1}, "maxItems": 2},
    {"type": "string", "maxLength": 8},
    {"type": "boolean"},
    {"enum": ["yes", "no"]},
    {"anyOf": [closed(kind={"const": "a"}, x={"type": "boolean"}), closed(kind={"const": "b"}, y={"type": "null"})]},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}], "maxProperties": 1},
    closed(a={"type": "integer", "multipleOf": 5, "minimum": 0, "maximum": 100}),
]


def text_of(base: Base, tokens: list[Any]) -> str:
    assert tokens[-1].end == "stop" and tokens[-1].token == END
    return base.tokenizer.decode([token.token for token in tokens[:-1]])


def test_answers_hold_to_their_schema_at_temperature_1(base: Base) -> None:
    batch = OpenBatch(base, slots=32, capacity=512)
    prompt = base.tokenizer("Say it in JSON:")["input_ids"]
    entered: dict[int, dict[str, Any]] = {}
    for seed in range(2):
        for schema in SCHEMAS:
            guide, choice = json_schema_guide(base.tokenizer, schema), TokenChoice(seed=seed)
            entered[batch.enter(asked(prompt, 400, [END], guide=guide, choice=choice))] = schema
    free = batch.enter(asked(prompt, 5, [END]))

    cut = 0
    for handle, tokens in finish(batch).items():
        if handle == free:
            continue
        if tokens[-1].end == "length":
            cut += 1
            continue
        text = text_of(base, tokens)
        assert valid(json.loads(text), entered[handle]), (entered[handle], text)
    assert cut <= len(SCHEMAS) // 10


def test_a_schema_is_held_to_against_what_the_model_wants(base: Base, batch: OpenBatch) -> None:
    """Greedy, with a bias against every token that the grammar needs; the model's own log-probability stays."""
    schema = closed(a={"const": "never said"})
    prompt = base.tokenizer("Hello")["input_ids"]
    bias = dict.fromkeys(base.tokenizer('{"a": "never said"}')["input_ids"], -100.0)
    choice = TokenChoice(temperature=0, logit_bias=bias)
    handle = batch.enter(asked(prompt, 90, [END], guide=json_schema_guide(base.tokenizer, schema), choice=choice))
    tokens = finish(batch)[handle]
    assert json.loads(text_of(base, tokens)) == {"a": "never said"}
    assert all(token.logprob > -60 for token in tokens), "no bias is in it"


def test_any_object_is_an_object(base: Base) -> None:
    batch = OpenBatch(base, slots=8, capacity=512)
    prompt = base.tokenizer("An object:")["input_ids"]
    handles = [
        batch.enter(
            asked(prompt, 300, [END], guide=json_object_guide(base.tokenizer), choice=TokenChoice(seed=one, top_p=0.5))
        )
        for one in range(8)
    ]
    written = finish(batch)
    whole = [text_of(base, written[handle]) for handle in handles if written[handle][-1].end == "stop"]
    assert whole and all(isinstance(json.loads(text), dict) for text in whole)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"not": {"type": "string"}}, r"'not' \(got 'not'\)"),
        (closed(a={"type": "array", "uniqueItems": True}), "'uniqueItems'"),
        ({"type": "object", "x-guidance": {"lenient": True}, "if": {}}, "'if'"),
        ({"type": "strang"}, "Invalid type: strang"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "minItems"),
        ({"$ref": "#/nowhere"}, "nowhere"),
    ],
)
def test_a_schema_that_cannot_be_held_to_is_refused_with_the_keyword(
    base: Base, schema: dict[str, Any], words: str
) -> None:
    for _ in range(2):
        with pytest.raises(InputError, match=words):
            json_schema_guide(base.tokenizer, schema)


def test_a_guide_that_gives_up_cuts_the_answer_and_no_other(base: Base, batch: OpenBatch) -> None:
    class Stuck:
        steps = 0

        def allowed(self) -> Tensor:
            return torch.ones(4096, dtype=torch.bool)

        def advance(self, token: int) -> None:
            self.steps += 1

        @property
        def may_end(self) -> bool:
            return False

        @property
        def is_over(self) -> bool:
            return self.steps == 3

    one, two = batch.enter(asked([5, 6], 9, [END], guide=Stuck())), batch.enter(asked([5, 6], 9))
    written = finish(batch)
    assert [token.end for token in written[one]] == [None, None, "length"] and len(written[two]) == 9


def test_a_guided_answer_needs_a_token_to_end_with(base: Base) -> None:
    with pytest.raises(InputError, match="stop_ids"):
        asked([5], guide=json_object_guide(base.tokenizer))
