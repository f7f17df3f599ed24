"""Errors in the words of whoever asked: a program that called a verb from Python is told of keywords, not of options of
a command line. Torch-free.

Messages are written once, for the command line; what a verb raises in Python is said anew on its way out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from whet.errors import RecipeError, WhetError

P = ParamSpec("P")
T = TypeVar("T")

_typed: ContextVar[bool] = ContextVar("typed", default=False)
"""Whether a command line asked, and not a program."""

SET = re.compile(r"--set (?:'([\w.]+)=([^']*)'|([\w.]+)=([^\s;,)]+)|([\w.]+)|)")
OPTION = re.compile(
    r"`?--(?P<name>[a-z][a-z-]+)"
    r"(?: (?P<value>[A-Z]+(?:\.[a-z]+)?\b|[0-9][\w.]*|(?:(?<=--runs )|(?<=--who ))[\w~/.-]+))?`?"
)
COMMAND = re.compile(r"\bwhet [a-z]+(?! with --)(?: [^;,()`]*)?")
"""A command to be given in a shell, which keeps its options."""
CALLED = {"from": "log", "runs": "run_root", "trust": "whet.recipe.trust.agree()"}
"""Options whose keyword has another name."""
SWITCHES = {"accept-changed", "anew", "calibrate", "force", "until-kept", "yes"}


@contextmanager
def at_command_line() -> Iterator[None]:
    """Within it, errors speak of options."""
    token = _typed.set(True)
    try:
        yield
    finally:
        _typed.reset(token)


def in_python(verb: Callable[P, T]) -> Callable[P, T]:
    """The verb, whose errors speak of keywords unless a command line called it."""

    @functools.wraps(verb)
    def called(*args: P.args, **given: P.kwargs) -> T:
        try:
            return verb(*args, **given)
        except WhetError as error:
            error.what, error.fix = worded(error.what), worded(error.fix)
            error.where = worded(error.where, place=True)
            error.args = (str(error),)
            raise

    return called


def worded(text: str, place: bool = False) -> str:
    """A text that speaks of options, in the words of whoever asked."""
    return text if _typed.get() else said(text, place)


def said(text: str, place: bool = False) -> str:
    """The text, with keywords in the place of options; a `place` that is nothing but an option is that keyword."""
    if place and re.fullmatch(r"--[a-z-]+( [\w.]+)?", text):
        option, _, key = text[2:].partition(" ")
        return f"keyword {key or CALLED.get(option, option.replace('-', '_'))}"

    kept = [match.span() for match in COMMAND.finditer(text)]

    def outside(match: re.Match[str]) -> bool:
        return not any(start <= match.start() < end for start, end in kept)

    pieces, at = [], 0
    for match in sorted([*SET.finditer(text), *OPTION.finditer(text)], key=lambda one: (one.start(), -one.end())):
        if match.start() >= at and outside(match):
            pieces += [text[at : match.start()], _keyword(match)]
            at = match.end()
    return "".join([*pieces, text[at:]])


def _keyword(match: re.Match[str]) -> str:
    if match.re is OPTION:
        name, value = match["name"], match["value"]
        word = CALLED.get(name, name.replace("-", "_"))

        if name in SWITCHES:
            return f"{word}=True"
        if value:
            return f"{word}={_shown(value)}"
        if word.endswith(")"):
            return word
        return f"{word}="

    key, value, other, bare, alone = match.groups()
    if alone or not (key or other):
        return alone or "a keyword"
    if key:
        return as_keyword(key, value)
    return as_keyword(other, bare)


def as_keyword(key: str, value: str) -> str:
    """`adapter.rank=8` as Python has it: `adapter={'rank': 8}`."""
    *groups, last = key.split(".")
    text = _shown(value)
    if not groups:
        return f"{last}={text}"

    for inner in [last, *groups[:0:-1]]:
        text = f"{{{inner!r}: {text}}}"
    return f"{groups[0]}={text}"


def _shown(value: Any) -> str:
    """A value as Python writes it; a word in capitals stands for one, and stays."""
    from whet.recipe.yaml_text import parse  # reads YAML, for which `whet --help` has no time

    if re.fullmatch(r"[A-Z]+", value):
        return value

    try:
        return repr(parse(value, "")[0])
    except RecipeError:
        return repr(value)
