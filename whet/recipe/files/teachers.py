"""What bake and distil name outside the recipe: a prompt's file and a teacher's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.errors import RecipeError

TEXT_FILES = (".txt", ".md")
LARGEST_PROMPT = 1 << 20


def teacher_beside(values: dict[str, Any], folder: Path, confined: bool, where: str) -> dict[str, Any]:
    """The recipe's values with the text of a prompt's file in its place, and a teacher's folder made to work from the
    current folder. With `confined` a prompt's path that leads out of `folder` is refused. Raises RecipeError."""
    method = values.get("method")
    if not isinstance(method, dict):
        return values
    found = dict(method)

    prompt, teacher = found.get("prompt"), found.get("teacher")
    if found.get("kind") == "bake" and isinstance(prompt, str) and names_a_file(prompt):
        found["prompt"] = text_of(prompt, folder, confined, where)
    if isinstance(teacher, str) and teacher not in ("", "nano") and holds_a_model(folder / teacher):
        found["teacher"] = str(folder / teacher)
    return {**values, "method": found}


def holds_a_model(folder: Path) -> bool:
    """A model as transformers saves it, or a run; a run is otherwise known by its name."""
    return any((folder / name).is_file() for name in ("config.json", "run.json"))


def names_a_file(prompt: str) -> bool:
    """One word that ends in .txt or .md; everything else is the prompt itself."""
    return len(prompt.split()) == 1 and prompt.strip().lower().endswith(TEXT_FILES)


def text_of(name: str, folder: Path, confined: bool, where: str) -> str:
    """The text in a file. Raises RecipeError for one that is not there, leads out of the folder, or is no text."""
    path = folder / name.strip()
    if confined and not path.resolve().is_relative_to(folder.resolve()):
        what = "the prompt's file leads out of the recipe's folder"
        raise RecipeError(what, where=where, value=name, fix="put the file beside the recipe")

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
