"""What holds an answer to a form: JSON, a JSON schema, or a call that must be made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whet.errors import InputError
from whet.generation.serving.guide import Guide, json_object_guide, json_schema_guide
from whet.server.errors import ApiError
from whet.server.inference.bodies import JsonSchema, ResponseFormat, refuse_unknown
from whet.server.inference.words.tools import ToolUse, call_form, call_schema
from whet.server.inference.words.wording import Wording


@dataclass(frozen=True, slots=True)
class Form:
    """`make` gives a guide for one answer, which begins with `beginning`."""

    make: Callable[[], Guide] | None = None
    beginning: str = ""


def form_of(schema: dict[str, Any] | None, wants_json: bool, use: ToolUse, wording: Wording) -> Form:
    """The form of an answer: a call where one must be made, else what the format asks for. Takes a tenth of a second
    for a schema that is new. Raises ApiError."""
    if use.must_call:
        form = call_form(wording)
        return _checked(call_schema(use, form), wording, "tool_choice", form.beginning)
    if not wants_json:
        return Form()
    if use.may_call:
        what = "response_format: an answer that must be JSON cannot call tools; set tool_choice to none."
        raise ApiError(400, what, code="unsupported_parameter", param="response_format")
    return _checked(schema, wording, "response_format")


def _checked(schema: dict[str, Any] | None, wording: Wording, param: str, beginning: str = "") -> Form:
    def make() -> Guide:
        with wording.guides:
            if schema is None:
                return json_object_guide(wording.tokenizer)
            return json_schema_guide(wording.tokenizer, schema)

    try:
        make()
    except InputError as error:
        fix = f" Fix: {error.fix}." if error.fix else ""
        raise ApiError(400, f"{param}: {error.what}.{fix}", code="invalid_json_schema", param=param) from error
    return Form(make, beginning)


def schema_of(given: ResponseFormat | None) -> tuple[dict[str, Any] | None, bool]:
    """(schema, whether the answer must be JSON) of a response_format. Raises ApiError."""
    if given is None or given.type == "text":
        return None, False
    refuse_unknown(given, {})
    if given.type == "json_object":
        return None, True
    if given.json_schema is None:
        what = "response_format.json_schema is missing."
        raise ApiError(400, what, code="invalid_value", param="response_format.json_schema")
    return named_schema(given.json_schema), True


def named_schema(given: JsonSchema) -> dict[str, Any] | None:
    """The schema itself; None: any JSON object."""
    refuse_unknown(given, {})
    return given.schema_
