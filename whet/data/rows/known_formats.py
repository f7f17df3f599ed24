"""The forms of rows that Whet reads, and the columns that give each form away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from whet.data.rows.column_names import (
    ALPACA_ANSWERS,
    ANSWERS,
    LABELS,
    MARKED,
    MARKS,
    MESSAGES,
    PAIRS,
    PROMPTS,
    RANKED,
    RANKS,
    SCORED,
    SCORES,
    TEXTS,
)
from whet.recipe.schema import Kind

RoleColumns = dict[str, str]
"""A role (prompt, completion, ...) to the name of a column."""


@dataclass(frozen=True, slots=True)
class KnownFormat:
    """The usual columns of one form of rows."""

    required: tuple[RoleColumns, ...]
    """Sets of columns that make the form; the first set that is there wins."""
    optional: tuple[tuple[str, str], ...] = (("system", "system"),)
    """Roles with their usual columns, read where they are there and play no other role; the first name wins."""


def _one_role(role: str, columns: Iterable[str]) -> tuple[RoleColumns, ...]:
    return tuple({role: column} for column in columns)


def _two_roles(first: str, second: str, columns: Iterable[tuple[str, str]]) -> tuple[RoleColumns, ...]:
    return tuple({first: one, second: two} for one, two in columns)


def _optional(*role_columns: tuple[str, Iterable[str]]) -> tuple[tuple[str, str], ...]:
    """Each role with each of its columns, and the system prompt, which any conversation may have."""
    pairs = []
    for role, columns in role_columns:
        for column in columns:
            pairs.append((role, column))
    return (*pairs, ("system", "system"))


def _texts_with_labels() -> tuple[RoleColumns, ...]:
    both = []
    for text in TEXTS:
        for label in LABELS:
            both.append((text, label))
    return _two_roles("text", "label", both)


def _marked_answers() -> tuple[RoleColumns, ...]:
    """An answer to a prompt with a mark, then a conversation with a mark."""
    answers: list[RoleColumns] = []
    conversations: list[RoleColumns] = []

    for mark in MARKS:
        for prompt, answer in MARKED:
            answers.append({"prompt": prompt, "completion": answer, "label": mark})
        for messages in MESSAGES:
            conversations.append({"messages": messages, "label": mark})

    return (*answers, *conversations)


_ALPACA = [("instruction", answer) for answer in ALPACA_ANSWERS]
_PROMPTS_ALONE = [name for name in PROMPTS if name not in MESSAGES]
KNOWN: dict[Kind, KnownFormat] = {
    "chat": KnownFormat(_one_role("messages", MESSAGES)),
    "sharegpt": KnownFormat(_one_role("messages", ("conversations", "conversation", "messages"))),
    "prompt-completion": KnownFormat(_two_roles("prompt", "completion", PAIRS)),
    "alpaca": KnownFormat(
        _two_roles("prompt", "completion", _ALPACA),
        _optional(("input", ("input", "context"))),
    ),
    "label": KnownFormat(_texts_with_labels()),
    "text": KnownFormat(_one_role("text", TEXTS), optional=()),
    "preference": KnownFormat(
        _two_roles("chosen", "rejected", ANSWERS), _optional(("prompt", PROMPTS), ("input", ("input",)))
    ),
    "prompt": KnownFormat(_one_role("prompt", _PROMPTS_ALONE)),
    "ranking": KnownFormat(
        _one_role("answers", (*RANKED, *SCORED)),
        _optional(("prompt", PROMPTS), ("input", ("input",)), ("scores", SCORES), ("ranks", RANKS)),
    ),
    "unpaired": KnownFormat(_marked_answers(), _optional(("input", ("input",)))),
}
PROMPT_FROM_MESSAGES = ("preference", "ranking")
"""Forms in which `columns.messages` names the conversation before the answers."""


def columns_of(kind: Kind, named: Mapping[str, str], names: Mapping[str, str]) -> RoleColumns | None:
    """The column of each role, for rows of this form; None where a role that the form needs has none.

    `named` are the columns that the recipe names, and come first; `names` are those of the data, by their names in
    lower case.
    """
    if kind in PROMPT_FROM_MESSAGES and "messages" in named:
        named = {"prompt": named["messages"], **named}

    for usual in KNOWN[kind].required:
        columns: RoleColumns = {}
        for role, column in usual.items():
            name = named.get(role) or names.get(column)
            if name:
                columns[role] = name

        if len(columns) == len(usual):
            _add_optional(columns, kind, named, names)
            return columns

    return None


def _add_optional(columns: RoleColumns, kind: Kind, named: Mapping[str, str], names: Mapping[str, str]) -> None:
    for role, column in KNOWN[kind].optional:
        name = named.get(role) or names.get(column)
        if name and name not in columns.values():
            columns.setdefault(role, name)
