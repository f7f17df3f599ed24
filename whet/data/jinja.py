"""Chat templates as plain functions from messages to text: the sandbox, and the names that templates may use.

The same environment as transformers builds (`transformers.utils.chat_template_utils`); a test holds the two equal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn, Protocol

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.parser import Parser
from jinja2.runtime import new_context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from whet.errors import ModelError
from whet.types import Message


class TemplateRaised(Exception):
    """The template refused the conversation: its own words."""


class Render(Protocol):
    """Messages to text; `prompt` asks for the header of the answer that is to come."""

    def __call__(self, messages: Sequence[Message], *, prompt: bool) -> str: ...


class _Generation(jinja2.ext.Extension):
    """`{% generation %}` marks the assistant's words in some templates. It renders as what it encloses."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateRaised(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@lru_cache(maxsize=32)
def compile_template(source: str) -> jinja2.Template:
    """Compile once. Raises ModelError with the line when the source is not valid Jinja."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ModelError(
            f"the chat template is not valid Jinja: {error.message}",
            where=f"chat template, line {error.lineno}",
            fix="repair the template, or remove it to use Whet's plain one",
        ) from error


def bind(
    source: str,
    *,
    tools: list[dict[str, Any]] | None = None,
    variables: dict[str, Any] | None = None,
    clock: datetime | None = None,
) -> Render:
    """A template with everything but the messages filled in.

    The returned function raises TemplateRaised when the template refuses or cannot handle the messages.
    """
    template = compile_template(source)
    now: Callable[[str], str] = (clock or datetime.now()).strftime
    known = {**template.environment.globals, **(variables or {}), "tools": tools, "documents": None}
    known["strftime_now"] = now

    def render(messages: Sequence[Message], *, prompt: bool) -> str:
        names = {**known, "messages": list(messages), "add_generation_prompt": prompt}
        # What Template.render does, with the globals merged once: merging them took longer than rendering.
        context = new_context(template.environment, template.name, template.blocks, names, True, None, None)
        try:
            return "".join(template.root_render_func(context))
        except TemplateRaised:
            raise
        except (jinja2.TemplateError, TypeError, KeyError, AttributeError, IndexError, ValueError) as error:
            raise TemplateRaised(f"{type(error).__name__}: {error}") from error

    return render
