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

from whet.data.render.template_sandbox import DEEPEST_INDENT, Costly, MeteredEnvironment, place_of
from whet.errors import ModelError
from whet.types import Message

LONGEST_TEMPLATE = 1 << 20
"""Characters; those of real models have at most some 30,000."""
FIX = "repair the template, or remove it to use Whet's plain one"


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
    if isinstance(indent, int) and indent > DEEPEST_INDENT:
        raise Costly(f"tojson with an indent above {DEEPEST_INDENT}")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@lru_cache(maxsize=32)
def compile_template(source: str, name: str = "") -> jinja2.Template:
    """Compile once. `name` is what errors call the base. Raises ModelError with the line when the source is not valid
    Jinja, or nested too deeply."""
    if len(source) > LONGEST_TEMPLATE:
        what = f"the chat template is longer than {LONGEST_TEMPLATE:,} characters"
        raise ModelError(what, where=_where(name, None), value=len(source), fix=FIX)

    environment = MeteredEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception

    try:
        template = environment.from_string(source)
        template.root_render_func.__globals__["__jinja_template__"] = template  # for the line of an error
        return template
    except jinja2.TemplateSyntaxError as error:
        raise ModelError(
            f"the chat template is not valid Jinja: {error.message}",
            where=_where(name, error.lineno),
            fix=FIX,
        ) from error
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        what = f"the chat template cannot be compiled: {type(error).__name__}: {error}"
        raise ModelError(what, where=_where(name, None), fix=FIX) from error


def _where(name: str, line: int | None) -> str:
    return f"chat template{f' of {name}' if name else ''}{f', line {line}' if line else ''}"


def bind(
    source: str,
    *,
    tools: list[dict[str, Any]] | None = None,
    variables: dict[str, Any] | None = None,
    clock: datetime | None = None,
    name: str = "",
) -> Render:
    """A template with everything but the messages filled in. `name` is what errors call the base.

    The returned function raises TemplateRaised when the template refuses or cannot handle the messages, ModelError when
    it takes too many steps or too much memory (whet/data/render/template_sandbox.py).
    """
    template = compile_template(source, name)
    meter = template.environment.meter  # pyright: ignore[reportAttributeAccessIssue]
    now: Callable[[str], str] = (clock or datetime.now()).strftime
    known = {**template.environment.globals, **(variables or {}), "tools": tools, "documents": None}
    known["strftime_now"] = now

    def render(messages: Sequence[Message], *, prompt: bool) -> str:
        names = {**known, "messages": list(messages), "add_generation_prompt": prompt}
        meter.begin(lambda: len(repr(names["messages"])) + len(repr(tools)))
        # What Template.render does, with the globals merged once: merging them took longer than rendering.
        context = new_context(template.environment, template.name, template.blocks, names, True, None, None)

        try:
            return "".join(template.root_render_func(context))
        except TemplateRaised:
            raise
        except (Costly, OverflowError, RecursionError, MemoryError) as error:
            if isinstance(error, Costly):
                cause = str(error)
            else:
                cause = f"{type(error).__name__}: {error}".removesuffix(": ")

            what = f"the chat template takes too much for one conversation: {cause}"
            raise ModelError(what, where=_where(name, place_of(error)), fix=FIX) from error
        except Exception as error:  # whatever a template does wrong with these messages
            raise TemplateRaised(f"{type(error).__name__}: {error}") from error

    return render
