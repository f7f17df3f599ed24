"""Which of the known forms one row has, from its columns. What could mean two things is refused, with the fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from whet.data.rows.column_names import MARKS, MESSAGES, RANK, RANKED, RANKS, SCORE, SCORED, SCORES, TEXTS
from whet.data.rows.known_formats import RoleColumns, columns_of
from whet.data.rows.label_forms import folded
from whet.data.rows.messages import items_of, not_messages
from whet.errors import DataError, nearest, shorten
from whet.recipe.schema import Columns, Kind, Recipe

ANY_FORM = {"group", "margin", "passage", "roles"}
"""Keys of `columns` that may be set for any form, so they do not identify one; `roles` are the names of speakers."""
MOST_LISTED = 20
"""Names of columns in a message."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """The form of the rows: `columns` maps a role (prompt, completion, ...) to the column that plays it."""

    kind: Kind
    columns: RoleColumns = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What is to be said of columns that are not read, in sentences for people."""
    joined: dict[str, str] = field(default_factory=dict)
    """The label that stands for those with its folded form; only where the recipe joins labels."""
    dialect: str | None = None
    """The chat template that the texts are already written in; they are read as turns."""
    roles: dict[str, str] = field(default_factory=dict)
    """What the recipe says of who speaks: the name in the data to a role."""

    def label(self, name: str) -> str:
        """A label as it is to be learned."""
        if self.joined:
            return self.joined.get(folded(name), name)
        return name

    @property
    def paired(self) -> bool:
        """Whether the rows become preference pairs."""
        return self.kind in ("preference", "ranking")

    def describe(self) -> str:
        """One line for people."""
        text = str(self.kind)
        parts = [role if role == name else f"{role} from {name!r}" for role, name in self.columns.items()]
        if parts:
            text += f": {', '.join(parts)}"
        if self.unused:
            text += f"; not used: {', '.join(self.unused)}"
        return text

    def fits(self, value: Mapping[str, Any] | str) -> bool:
        """Whether a row has the columns of this form."""
        if isinstance(value, str):
            return self.kind == "text" and not self.columns
        return bool(self.columns) and all(name in value for name in self.columns.values())


def format_of_row(value: Mapping[str, Any] | str, recipe: Recipe) -> RowFormat:
    """The form of one row: what the recipe says of it, else what its columns say. Raises DataError where no form
    fits."""
    if isinstance(value, str):
        if recipe.format not in ("auto", "text"):
            raise DataError(f"the rows are plain text, but the recipe says format: {recipe.format}", fix="format: text")
        return RowFormat("text")

    _refuse_unknown_columns(recipe.columns, value)
    names = lower_case_names(value)
    named = named_columns(recipe)

    kind: Kind | None = None
    if named or recipe.format != "auto":
        kind = _kind_of_recipe(recipe, named, value)

    form = None
    if kind is None:
        form = _guess(names, value, recipe)
    else:
        form = _with_columns(kind, named, names)

    if form is None and not recipe.method.rows.answered:
        form = _with_columns("prompt", named, names)
    if form is None:
        raise _no_form(value, recipe)

    used = {*form.columns.values(), *columns_of_any_form(recipe)}
    return RowFormat(form.kind, form.columns, tuple(name for name in value if name not in used))


def lower_case_names(value: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a row, by their names in lower case."""
    return {name.strip().lower(): name for name in value}


def named_columns(recipe: Recipe) -> RoleColumns:
    """The columns that the recipe names and that tell the form of a row."""
    return {role: name for role, name in recipe.columns.model_dump(exclude=ANY_FORM).items() if name}


def columns_of_any_form(recipe: Recipe) -> set[str]:
    """Columns that are read whatever the form is."""
    columns = recipe.columns
    names = {"tools", columns.group, columns.passage, columns.margin}
    if recipe.method.rows.margin:
        names.add("margin")
    return {name for name in names if name}


def unpaired_format(mark: str, names: Mapping[str, str]) -> RowFormat | None:
    """The form of answers of which each is marked in the column `mark`; None where a row holds no answer."""
    return _with_columns("unpaired", {"label": mark}, names)


def is_mark(value: Any) -> bool:
    """A boolean, as JSON writes it or as a table does."""
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false"))


def _with_columns(kind: Kind, named: Mapping[str, str], names: Mapping[str, str]) -> RowFormat | None:
    columns = columns_of(kind, named, names)
    if columns is None:
        return None
    return RowFormat(kind, columns)


def _kind_of_recipe(recipe: Recipe, named: RoleColumns, value: Mapping[str, Any]) -> Kind | None:
    """The form that the recipe's keys `format` and `columns` ask for."""
    if recipe.format != "auto":
        return recipe.format
    if "chosen" in named or "rejected" in named:
        return "preference"
    if "answers" in named:
        return "ranking"

    if "label" in named and ("completion" in named or "messages" in named):
        return "unpaired"
    if "messages" in named:
        return _kind_of_messages(value[named["messages"]]) or "chat"
    if "prompt" in named or "completion" in named:
        return "prompt-completion"

    if "label" in named:
        if columns_of("label", named, lower_case_names(value)):
            return "label"
        return "unpaired"
    if "text" in named:
        return "text"
    return None


def _guess(names: dict[str, str], value: Mapping[str, Any], recipe: Recipe) -> RowFormat | None:
    """The form that the columns of a row tell; the rarer forms first, because their columns hold those of others."""
    if recipe.method.rows.as_text and any(name in names for name in TEXTS):
        return _with_columns("text", {}, names)

    pair = _with_columns("preference", {}, names)
    if pair:
        return pair

    mark = next((names[name] for name in MARKS if name in names and is_mark(value[names[name]])), None)
    if mark:
        marked = unpaired_format(mark, names)
        if marked:
            return marked

    for usual in (*RANKED, *SCORED):
        if usual in names and _is_ranked(usual, names, value):
            return _with_columns("ranking", {"answers": names[usual]}, names)

    messages = next((names[name] for name in MESSAGES if name in names), None)
    if messages:
        kind = _kind_of_messages(value[messages])
        if kind:
            return _with_columns(kind, {"messages": messages}, names)

    plain: tuple[Kind, ...] = ("alpaca", "prompt-completion", "label", "text")
    for kind in plain:
        form = _with_columns(kind, {}, names)
        if form:
            return form
    return None


def _kind_of_messages(value: Any) -> Kind | None:
    """Chat has roles, ShareGPT has from; anything else is no conversation. A table has the list as a JSON text."""
    value = items_of(value)
    if not isinstance(value, list) or not value or not isinstance(value[0], Mapping):
        return None

    if "role" in value[0]:
        return "chat"
    if "from" in value[0]:
        return "sharegpt"
    return None


def _is_ranked(name: str, names: dict[str, str], value: Mapping[str, Any]) -> bool:
    """Whether this column lists answers of which it is known which are better."""
    items = value[names[name]]
    if not isinstance(items, list) or not items or isinstance(items[0], int | float | None):
        return False

    orders = [usual for usual in (*SCORES, *RANKS) if usual != name]
    in_own_column = any(isinstance(value.get(names.get(usual, "")), list) for usual in orders)
    in_answers = isinstance(items[0], Mapping) and any(key in items[0] for key in (*SCORE, *RANK))
    return name in RANKED or in_own_column or in_answers


def _refuse_unknown_columns(columns: Columns, value: Mapping[str, Any]) -> None:
    for role, name in columns.model_dump(exclude={"roles"}).items():
        if name and name not in value:
            raise DataError(
                f"columns.{role} names a column that the data does not have{nearest(name, value)}",
                value=name,
                fix=f"the columns are: {_list_names(value)}",
            )


def _list_names(names: Mapping[str, Any]) -> str:
    """The first names, each cut to a length that can be read."""
    first = [shorten(name, 40) for name in names][:MOST_LISTED]
    text = ", ".join(first)
    if len(names) > len(first):
        text += f" and {len(names) - len(first)} more"
    return text


def _no_form(value: Mapping[str, Any], recipe: Recipe) -> DataError:
    if not value:
        return DataError("the first row has no columns", value={}, fix='write {"prompt": ..., "completion": ...}')

    for name in value:
        refusal = not_messages(name, value[name]) if name.strip().lower() in MESSAGES else None
        if refusal:
            return refusal

    wanted = ""
    if recipe.format != "auto":
        wanted = f" as format: {recipe.format}"
    return DataError(
        f"cannot tell what to learn from the columns {_list_names(value)}{wanted}",
        fix="name them, for example columns: {prompt: question, completion: ground_truth}; or {text: ...}, "
        "{text: ..., label: ...}, {messages: ...}",
    )
