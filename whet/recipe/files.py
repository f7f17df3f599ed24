"""Files that a recipe names: which keys name one (whet/recipe/file_key.py), and where the files are.

A relative name is looked up in the recipe's own folder first, then in the current one. What the key's file holds
decides when it counts as found there: code is always beside its recipe, rows are where such a file exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from whet.errors import RecipeError
from whet.recipe.external import is_function
from whet.recipe.file_formats import sheet_of
from whet.recipe.file_key import FileKey
from whet.recipe.schema import Recipe

TEXT_FILES = (".txt", ".md")
ENCODER_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
"""What is read of a sentence encoder's folder, and of the folders within."""
LARGEST_PROMPT = 1 << 20
Models = tuple[type[BaseModel], ...]
Change = Callable[[str, FileKey, Any], Any]
"""(dotted key, what it names, its value) to the new value."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A key of a recipe that can name a file. `value` is None, a name, a list of names, or another word of the key."""

    dotted: str
    """As in `method.rewards.0.function`."""
    key: FileKey
    holder: BaseModel
    field: str

    @property
    def value(self) -> Any:
        return getattr(self.holder, self.field)

    @property
    def listed(self) -> list[str]:
        """The value as a list; an empty one where the key is left out."""
        if self.value is None:
            return []
        if isinstance(self.value, list):
            return self.value
        return [self.value]

    @property
    def names(self) -> list[str]:
        """The files, without words that name none; of `file.py:function` the file."""
        if self.key.holds == "code":
            return [value.rpartition(":")[0] for value in self.listed if is_function(value)]
        return [value for value in self.listed if value not in self.key.words]

    @property
    def without_places(self) -> Any:
        """The value with `a file` in the place of each name: what is asked for, wherever the files are."""
        if isinstance(self.value, list):
            return ["a file" for _ in self.value]
        if not self.names:
            return self.value
        if self.key.holds == "code":
            return "a file:" + self.value.rpartition(":")[2]
        return "a file"


def files_of(recipe: Recipe) -> list[NamedFile]:
    """Every key of this recipe that can name a file, in the order of the schema."""
    return list(_of_model(recipe, ""))


def _of_model(model: BaseModel, prefix: str) -> Iterator[NamedFile]:
    for name, field in type(model).model_fields.items():
        value, key = getattr(model, name), file_key(field)
        if key is not None:
            yield NamedFile(prefix + name, key, model, name)
        elif isinstance(value, BaseModel):
            yield from _of_model(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from _of_model(item, f"{prefix}{name}.{number}.")


def file_key(field: FieldInfo) -> FileKey | None:
    """What the annotation of a field says of the file that it names; None where it names none."""
    return next((mark for mark in field.metadata if isinstance(mark, FileKey)), None)


def resolve_files(values: dict[str, Any], folder: Path, confined: bool, where: str) -> dict[str, Any]:
    """The keys of a recipe file, with names that work from the current folder, and texts in the place of their files.

    With `confined` a name that leads out of `folder` is refused where its key says so. Raises RecipeError.
    """

    def resolve(dotted: str, key: FileKey, value: Any) -> Any:
        return _resolved(value, key, folder, confined, f"{where}, {dotted}")

    return _change(values, (Recipe,), "", resolve)


def resolve_files_named_here(values: dict[str, Any]) -> dict[str, Any]:
    """The same for names that the command line or a Python program gave, of the keys that are looked up `everywhere`.
    Raises RecipeError."""

    def resolve(dotted: str, key: FileKey, value: Any) -> Any:
        if not key.everywhere:
            return value
        return _resolved(value, key, Path(), False, dotted)

    return _change(values, (Recipe,), "", resolve)


def _change(values: Mapping[str, Any], models: Models, prefix: str, change: Change) -> dict[str, Any]:
    """Values as they are in the recipe, not checked yet, with each that can name a file changed."""
    changed = dict(values)
    for name, field in _fields(models, values).items():
        key, inner = file_key(field), _models_in(field.annotation)
        value = changed.get(name)

        if value is None:
            continue
        if key is not None:
            changed[name] = change(prefix + name, key, value)
        elif inner and isinstance(value, Mapping):
            changed[name] = _change(value, inner, f"{prefix}{name}.", change)
        elif inner and isinstance(value, list):
            changed[name] = [_change_item(item, inner, f"{prefix}{name}.{n}.", change) for n, item in enumerate(value)]

    return changed


def _change_item(item: Any, models: Models, prefix: str, change: Change) -> Any:
    if isinstance(item, Mapping):
        return _change(item, models, prefix, change)
    return item


def _fields(models: Models, values: Mapping[str, Any]) -> dict[str, FieldInfo]:
    """The fields that a group of keys may have: those of the class that its `kind` names, else those of all."""
    kind = values.get("kind")
    named = [model for model in models if _kind_of(model) == kind]

    fields: dict[str, FieldInfo] = {}
    for model in named or models:
        fields = model.model_fields | fields
    return fields


def _kind_of(model: type[BaseModel]) -> str | None:
    if "kind" not in model.model_fields:
        return None
    return model.model_fields["kind"].default


def _models_in(annotation: object) -> Models:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)

    models: list[type[BaseModel]] = []
    for inner in get_args(annotation):
        models += _models_in(inner)
    return tuple(models)


def _resolved(value: Any, key: FileKey, folder: Path, confined: bool, where: str) -> Any:
    if isinstance(value, list):
        return [_resolved(item, key, folder, confined, where) for item in value]
    if not isinstance(value, str) or not value or value in key.words:
        return value  # the schema refuses what is no name

    confined = confined and key.confined
    if key.inlined:
        if not names_a_file(value):
            return value
        return text_of(value, folder, confined, where)

    if key.holds == "code":
        if not is_function(value):  # a metric of Whet's own, or what the schema refuses
            return value
        file, _, function = value.rpartition(":")
    else:
        file, function = value, ""

    if not _is_beside(file, key, folder):
        return value
    if confined:
        refuse_outside(file, folder, value, where)
    if function:
        return f"{folder / file}:{function}"
    return str(folder / file)


def _is_beside(name: str, key: FileKey, folder: Path) -> bool:
    """Whether the file of this name is the one in the folder."""
    path = folder / name
    if key.holds in ("code", "schema"):
        return True
    if key.holds == "teacher":
        return holds_a_model(path)
    if key.holds == "encoder":
        return holds_a_model(path) or (path / "modules.json").is_file()
    if key.holds in ("rows", "task"):
        return path.exists()

    if key.holds == "model":
        return False  # never was looked up beside the recipe: to do so now would rename runs
    if Path(name).is_absolute():
        return False
    if key.holds == "documents":
        return path.exists()
    if key.holds == "base" and not path.exists():
        return False
    return sheet_of(path)[0].exists() and path.resolve() != Path(name).resolve()


def holds_a_model(folder: Path) -> bool:
    """A model as transformers saves it, or a run; a run is otherwise known by its name."""
    return any((folder / name).is_file() for name in ("config.json", "run.json"))


def refuse_outside(file: str, folder: Path, value: str, where: str) -> None:
    """Raises RecipeError for a file that is not in the recipe's folder, nor in one within it."""
    if not (folder / file).resolve().is_relative_to(folder.resolve()):
        what = "the file leads out of the recipe's folder"
        raise RecipeError(what, where=where, value=value, fix="put the file beside the recipe")


def names_a_file(text: str) -> bool:
    """One word that ends in .txt or .md; everything else is the text itself."""
    return len(text.split()) == 1 and text.strip().lower().endswith(TEXT_FILES)


def text_of(name: str, folder: Path, confined: bool, where: str) -> str:
    """The text in a file. Raises RecipeError for one that is not there, leads out of the folder, or is no text."""
    path = folder / name.strip()
    if confined:
        refuse_outside(name.strip(), folder, name, where)

    try:
        if path.stat().st_size > LARGEST_PROMPT:
            raise RecipeError("too large for a prompt", where=str(path), value=path.stat().st_size, fix="is it data?")

        text = path.read_bytes().decode("utf-8-sig").strip()
    except OSError as error:
        what = f"the prompt's file cannot be read: {(error.strerror or str(error)).lower()}"
        raise RecipeError(what, where=where, value=str(path), fix="put it beside the recipe") from error
    except UnicodeDecodeError as error:
        raise RecipeError("the prompt's file is not UTF-8 text", where=str(path), fix="save it as UTF-8") from error

    if not text:
        raise RecipeError("the prompt's file is empty", where=str(path), fix="write the prompt into it")
    return text
