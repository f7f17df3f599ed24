"""The one tree of errors. Each says what is wrong, where, with which value, and how to fix it.

WhetError
|- InputError          exit code 2: the data, the recipe or the command is wrong
|  |- RecipeError      a key or a value of a recipe
|  |- DataError        a file or a row of data
|  |- ModelError       a base model, its tokenizer or its chat template
|  `- RunFolderError   a run folder that is missing, foreign or damaged
`- RunError            exit code 1: the input was fine, the work failed
   |- NonFiniteError   a loss or a gradient that is not a number
   |- OutOfMemoryError the largest step does not fit; nothing was trained yet
   |- DiskFullError    nothing half-written is left behind
   `- ProofError       two paths that must agree did not
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Characters with which a text can rewrite a terminal, or look like another one: control characters, which begin escape
sequences, and marks that turn the direction; surrogates, and what is no character."""


class WhetError(Exception):
    """An error for people: `what` went wrong, `where`, the offending `value`, and the `fix`."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", value: object = None, fix: str = "") -> None:
        self.what, self.where, self.value, self.fix = what, where, value, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        if self.where:
            text = f"{self.where}: {self.what}"
        else:
            text = self.what
        if self.value is not None:
            text += f" (got {shorten(self.value)})"
        return without_hidden(f"{text}\n  fix: {self.fix}" if self.fix else text)  # names and words come from the data


class InputError(WhetError):
    exit_code = 2


class RecipeError(InputError):
    pass


class DataError(InputError):
    pass


class ModelError(InputError):
    pass


class RunFolderError(InputError):
    pass


class RunError(WhetError):
    pass


class NonFiniteError(RunError):
    pass


class OutOfMemoryError(RunError):
    exit_code = 2


class DiskFullError(RunError):
    exit_code = 2


class ProofError(RunError):
    pass


def without_hidden(text: str) -> str:
    """The text with characters that a terminal would obey, or not show, as signs such as \u27e8U+001B\u27e9. Line ends
    and tabs stay."""
    return HIDDEN.sub(lambda match: f"\u27e8U+{ord(match[0]):04X}\u27e9", text)


def shorten(value: object, limit: int = 120) -> str:
    """A one-line form of any value, cut in the middle so that both ends can be recognised."""
    text = repr(value)
    if len(text) <= limit:
        return text
    half = limit // 2 - 3
    return f"{text[:half]} ... {text[-half:]}"


def count(number: int, noun: str, many: str = "") -> str:
    """`1 row`, `2 rows`; `many` is the plural where it is not the noun with an s."""
    if number == 1:
        return f"{number:,} {noun}"
    return f"{number:,} {many or noun + 's'}"


def are(number: int) -> str:
    """The verb for so many."""
    return "is" if number == 1 else "are"


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when something close exists, otherwise an empty string."""
    names = list(known)
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    match = match or [other for other in names if other.lower() == name.lower()]  # SFT, DPO
    if match:
        return f"; did you mean {match[0]!r}?"
    return ""
