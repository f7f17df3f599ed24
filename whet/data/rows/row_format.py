"""Which of the known forms the rows have, from their columns. What could mean two things is refused, with the fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from whet.data.rows.column_names import (
    ALPACA_ANSWERS,
    ANSWERS,
    CONTEXTS,
    LABELS,
    MARKED,
    MARKS,
    MESSAGES,
    PAIRS,
    PROMPTS,
    RANK,
    RANKED,
    RANKS,
    SCORE,
    SCORED,
    SCORES,
    TEXTS,
)
from whet.data.rows.judgements import Judged
from whet.data.rows.label_forms import folded
from whet.data.rows.messages import items_of, not_messages
from whet.data.rows.method_fit import refuse_other_method
from whet.data.rows.roles import Roles
from whet.data.rows.templated_rows import Nested
from whet.errors import DataError, nearest, shorten
from whet.recipe.schema import Columns, Kind, Recipe

BESIDE = {"group", "margin", "passage", "roles"}
"""Roles that say something about a row of any shape, and so do not tell its shape; and the names of speakers."""
MOST_LISTED = 20
"""Names of columns in a message."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of the rows: `columns` maps a role (prompt, completion, ...) to the column that plays it."""

    kind: Kind
    columns: dict[str, str] = field(default_factory=dict)
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
        return self.joined.get(folded(name), name) if self.joined else name

    @property
    def paired(self) -> bool:
        """Whether the rows become preference pairs."""
        return self.kind in ("preference", "ranking")

    def describe(self) -> str:
        """One line for people."""
        parts = [role if role == name else f"{role} from {name!r}" for role, name in self.columns.items()]
        text = f"{self.kind}" + (f": {', '.join(parts)}" if parts else "")
        return text + (f"; not used: {', '.join(self.unused)}" if self.unused else "")


def detect(values: Iterable[Mapping[str, Any] | str], recipe: Recipe, places: Iterable[str] = ()) -> Shape:
    """The shape of all rows: the recipe's `format` and `columns` where given, else found from the columns.

    `places` says where each row stands. Raises DataError when no shape fits, when it could mean two things, or when a
    later row has another shape (naming the first such row, counted from 1).
    """
    found = None
    for value, place in zip_longest(values, places, fillvalue=""):
        found = found or Detector(value, recipe, place)
        found.see(value, place)
    if found is None:
        raise DataError("there are no rows", fix="point at a file with one example a line")
    return found.shape()


class Detector:
    """`detect`, row by row: the first row gives the shape, and every row is to be seen, the first one too."""

    def __init__(
        self, first: Mapping[str, Any] | str, recipe: Recipe, place: str = "", control: frozenset[str] = frozenset()
    ) -> None:
        """`control` are the base's control tokens, where it is known. Raises DataError when no shape fits the first
        row."""
        try:
            self._shape = _shape(first, recipe)
        except DataError as error:
            raise DataError(error.what, where=place, value=error.value, fix=error.fix) from error
        self._recipe, self._seen = recipe, 0
        self._other: DataError | None = None
        chosen = recipe.format != "auto" or any(recipe.columns.model_dump(exclude=BESIDE).values())
        self._chosen = chosen
        self._nested = Nested(self._shape, recipe, control)
        self._roles = Roles(recipe.columns.roles)
        self._judged = Judged((*self._shape.columns.values(), *_beside(recipe)))
        self._names = {name.strip().lower(): name for name in first} if isinstance(first, Mapping) else {}
        doubtful = () if chosen or recipe.method.rows.as_text else self._shape.unused
        self._marks = [name for name in doubtful if name.strip().lower() in MARKS]
        self._left_out: dict[str, DataError | None] = {
            name: None for name in doubtful if self._shape.kind == "text" or name.strip().lower() in CONTEXTS
        }

    @property
    def first(self) -> Shape:
        """The shape of the first row."""
        return self._shape

    def see(self, value: Mapping[str, Any] | str, place: str = "") -> None:
        """What speaks against the shape is kept for `shape`."""
        self._seen += 1
        self._judged.see(value)
        self._nested.see(value, place)
        self._roles.see(value, self._shape.columns)
        for name, error in self._left_out.items():
            if error is None and isinstance(value, Mapping) and value.get(name):
                self._left_out[name] = _left_out(self._shape, name, self._seen, place)
        marked = isinstance(value, Mapping) and any(_is_mark(value.get(name)) for name in self._marks)
        if self._other is None and (marked or not _fits(value, self._shape)):
            other = _try(value, self._recipe)
            if other is not None and other.kind != self._shape.kind:
                self._other = DataError(
                    f"row {self._seen} has another form than the first row: {other.kind} instead of {self._shape.kind}",
                    where=place,
                    value=sorted(value) if isinstance(value, Mapping) else value,
                    fix="keep one form in a file; give two files two runs, or convert one of them",
                )

    def shape(self) -> Shape:
        """Raises DataError when a row that was seen speaks against it."""
        for error in (*self._left_out.values(), self._other):
            if error is not None:
                raise error
        shape = self._nested.settle(self._with_marks())
        shape = replace(shape, roles=self._roles.known, notes=(*shape.notes, *self._roles.told()))
        refuse_other_method(shape, self._recipe)
        return shape

    def _with_marks(self) -> Shape:
        """The shape, now that all rows are seen: rows with a column that marks each answer are marked answers."""
        shape, needs = self._shape, self._recipe.method.rows
        if not needs.answered:  # the answers in the file are not learned
            return shape
        mark = None if self._chosen else self._judged.mark(shape.kind, needs.only_marks)
        marked = _with_kind("unpaired", {"label": mark}, self._names) if mark else None
        if marked:
            rest = tuple(name for name in shape.unused if name not in marked[1].values())
            shape = Shape(*marked, rest)
        return replace(shape, notes=tuple(self._judged.told(shape.kind, mark)))


def _fits(value: Mapping[str, Any] | str, shape: Shape) -> bool:
    if isinstance(value, str):
        return shape.kind == "text" and not shape.columns
    return bool(shape.columns) and all(name in value for name in shape.columns.values())


def _try(value: Mapping[str, Any] | str, recipe: Recipe) -> Shape | None:
    try:
        return _shape(value, recipe)
    except DataError:
        return None


def _shape(value: Mapping[str, Any] | str, recipe: Recipe) -> Shape:
    if isinstance(value, str):
        if recipe.format not in ("auto", "text"):
            raise DataError(f"the rows are plain text, but the recipe says format: {recipe.format}", fix="format: text")
        return Shape("text")
    names = {name.strip().lower(): name for name in value}
    _refuse_unknown_columns(recipe.columns, value)
    chosen = recipe.columns.model_dump(exclude=BESIDE)
    explicit = {role: name for role, name in chosen.items() if name}
    kind = _explicit_kind(recipe, explicit, value) if explicit or recipe.format != "auto" else None
    found = _with_kind(kind, explicit, names) if kind else _automatic(names, value, recipe)
    if found is None and not recipe.method.rows.answered:
        found = _with_kind("prompt", explicit, names)
    if found is None:
        raise _no_shape(value, recipe)
    used = {*found[1].values(), *_beside(recipe)}
    return Shape(found[0], found[1], tuple(name for name in value if name not in used))


def _beside(recipe: Recipe) -> set[str]:
    """Columns that are read whatever the form is."""
    margin = "margin" if recipe.method.rows.margin else None
    named = (recipe.columns.group, recipe.columns.passage, recipe.columns.margin, margin, "tools")
    return {name for name in named if name}


def _explicit_kind(recipe: Recipe, explicit: dict[str, str], value: Mapping[str, Any]) -> Kind | None:
    if recipe.format != "auto":
        return recipe.format
    if "chosen" in explicit or "rejected" in explicit:
        return "preference"
    if "answers" in explicit:
        return "ranking"
    if "label" in explicit and ("completion" in explicit or "messages" in explicit):
        return "unpaired"
    if "messages" in explicit:
        return _message_kind(value[explicit["messages"]]) or "chat"
    if "prompt" in explicit or "completion" in explicit:
        return "prompt-completion"
    if "label" in explicit:
        names = {name.strip().lower(): name for name in value}
        return "label" if _with_kind("label", explicit, names) else "unpaired"
    return "text" if "text" in explicit else None


def _with_kind(kind: Kind, explicit: dict[str, str], names: dict[str, str]) -> tuple[Kind, dict[str, str]] | None:
    """Fill the roles of a kind that is given: the recipe's columns first, the usual names for the rest."""
    choices: dict[str, Sequence[dict[str, str]]] = {
        "chat": [{"messages": name} for name in MESSAGES],
        "sharegpt": [{"messages": name} for name in ("conversations", "conversation", "messages")],
        "prompt-completion": [{"prompt": prompt, "completion": answer} for prompt, answer in PAIRS],
        "alpaca": [{"prompt": "instruction", "completion": answer} for answer in ALPACA_ANSWERS],
        "label": [{"text": text, "label": label} for text in TEXTS for label in LABELS],
        "text": [{"text": name} for name in TEXTS],
        "preference": [{"chosen": chosen, "rejected": rejected} for chosen, rejected in ANSWERS],
        "prompt": [{"prompt": name} for name in PROMPTS if name not in MESSAGES],
        "ranking": [{"answers": name} for name in (*RANKED, *SCORED)],
        "unpaired": [
            *({"prompt": prompt, "completion": answer, "label": mark} for mark in MARKS for prompt, answer in MARKED),
            *({"messages": name, "label": mark} for mark in MARKS for name in MESSAGES),
        ],
    }
    optional = [("input", "input"), ("input", "context")] if kind == "alpaca" else []
    if kind == "unpaired":
        optional = [("input", "input")]
    if kind in ("preference", "ranking"):
        optional = [*(("prompt", name) for name in PROMPTS), ("input", "input")]
        explicit = {"prompt": explicit["messages"], **explicit} if "messages" in explicit else explicit
    if kind == "ranking":
        optional += [*(("scores", name) for name in SCORES), *(("ranks", name) for name in RANKS)]
    for usual in choices[kind]:
        wanted = {role: explicit.get(role) or names.get(usual[role]) for role in usual}
        columns = {role: name for role, name in wanted.items() if name}
        if len(columns) == len(usual):
            for role, name in [*optional, ("system", "system")]:
                chosen = explicit.get(role) or names.get(name)
                if chosen and chosen not in columns.values() and kind != "text":
                    columns.setdefault(role, chosen)
            return kind, columns
    return None


def _automatic(names: dict[str, str], value: Mapping[str, Any], recipe: Recipe) -> tuple[Kind, dict[str, str]] | None:
    if recipe.method.rows.as_text and any(name in names for name in TEXTS):
        return _with_kind("text", {}, names)
    pair = _with_kind("preference", {}, names)
    if pair:
        return pair
    mark = next((names[name] for name in MARKS if name in names and _is_mark(value[names[name]])), None)
    marked = _with_kind("unpaired", {"label": mark}, names) if mark else None
    if marked:
        return marked
    known = (name for name in (*RANKED, *SCORED) if name in names)
    answers = next((names[name] for name in known if _is_ranked(name, names, value)), None)
    if answers:
        return _with_kind("ranking", {"answers": answers}, names)
    messages = next((names[name] for name in MESSAGES if name in names), None)
    kind = _message_kind(value[messages]) if messages else None
    if kind:
        return _with_kind(kind, {"messages": messages or ""}, names)
    alpaca = _with_kind("alpaca", {}, names)
    if alpaca:
        return alpaca
    kinds: tuple[Kind, ...] = ("prompt-completion", "label", "text")
    return next((found for kind in kinds if (found := _with_kind(kind, {}, names))), None)


def _message_kind(value: Any) -> Kind | None:
    """Chat has roles, ShareGPT has from; anything else is no conversation. A table holds the list as JSON in a text."""
    value = items_of(value)
    first = value[0] if isinstance(value, list) and value else None
    if not isinstance(first, Mapping):
        return None
    return "chat" if "role" in first else "sharegpt" if "from" in first else None


def _is_mark(value: Any) -> bool:
    """A boolean, as JSON writes it or as a table does."""
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false"))


def _is_ranked(name: str, names: dict[str, str], value: Mapping[str, Any]) -> bool:
    """Whether this column lists answers of which it is known which are better."""
    items = value[names[name]]
    if not isinstance(items, list) or not items or isinstance(items[0], int | float | None):
        return False
    beside = any(isinstance(value.get(names.get(other, "")), list) for other in (*SCORES, *RANKS) if other != name)
    within = isinstance(items[0], Mapping) and any(field in items[0] for field in (*SCORE, *RANK))
    return name in RANKED or beside or within


def _left_out(shape: Shape, name: str, number: int, place: str) -> DataError:
    """A column that a question may depend on must not be left out without the user's word."""
    mapping = ", ".join(f"{role}: {column}" for role, column in shape.columns.items() if role != "input")
    return DataError(
        f"the columns look like {shape.kind}, but {name!r}, filled in row {number}, would not be used",
        where=place,
        fix=f"join it into another column; or, to leave it out, set columns: {{{mapping}}}",
    )


def _refuse_unknown_columns(columns: Columns, value: Mapping[str, Any]) -> None:
    for role, name in columns.model_dump(exclude={"roles"}).items():
        if name and name not in value:
            raise DataError(
                f"columns.{role} names a column that the data does not have{nearest(name, value)}",
                value=name,
                fix=f"the columns are: {_listed(value)}",
            )


def _listed(names: Mapping[str, Any]) -> str:
    """The first names, each cut to a length that can be read."""
    few = [shorten(name, 40) for name in names][:MOST_LISTED]
    return ", ".join(few) + (f" and {len(names) - len(few)} more" if len(names) > len(few) else "")


def _no_shape(value: Mapping[str, Any], recipe: Recipe) -> DataError:
    wanted = f" as format: {recipe.format}" if recipe.format != "auto" else ""
    if not value:
        return DataError("the first row has no columns", value={}, fix='write {"prompt": ..., "completion": ...}')
    speakers = next((not_messages(name, value[name]) for name in value if name.strip().lower() in MESSAGES), None)
    if speakers:
        return speakers
    return DataError(
        f"cannot tell what to learn from the columns {_listed(value)}{wanted}",
        fix="name them, for example columns: {prompt: question, completion: ground_truth}; or {text: ...}, "
        "{text: ..., label: ...}, {messages: ...}",
    )
