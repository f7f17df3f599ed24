"""What bake and distil name outside the recipe, a prompt's file and a teacher's folder; and keys that they, and all
methods with answers of their own, cannot obey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.errors import RecipeError
from whet.recipe.methods.rollouts import OwnAnswers
from whet.recipe.schema import Bake, Full, Recipe
from whet.recipe.strict import refuse_first

TEXT_FILES = (".txt", ".md")
NOT_OF_ANSWERS = ("nll", "preference-accuracy", "mark-accuracy")
"""Metrics that compare probabilities."""
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


def refuse_teacher_contradictions(recipe: Recipe, where: str) -> None:
    """Raises RecipeError for keys that are right alone and wrong beside such a method."""
    wrong = [
        (
            isinstance(recipe.method, OwnAnswers) and recipe.batch_tokens is not None,
            "a step is counted in prompts here, not in tokens",
            f"batch_tokens: {recipe.batch_tokens}",
            "set method.prompts instead",
        ),
        (
            isinstance(recipe.method, OwnAnswers) and recipe.too_long == "truncate",
            "a prompt that was cut off asks for something else",
            "too_long: truncate",
            "leave too_long out: such prompts are dropped, and counted",
        ),
        (
            isinstance(recipe.method, OwnAnswers) and recipe.evaluate.metric in NOT_OF_ANSWERS,
            "answers are compared here, not probabilities",
            f"evaluate.metric: {recipe.evaluate.metric}",
            "leave evaluate.metric out",
        ),
        (
            isinstance(recipe.method, Bake) and isinstance(recipe.adapter, Full),
            "bake learns from its own base, and adapter: full leaves no base to read",
            "adapter: full",
            "use adapter: lora",
        ),
        (
            isinstance(recipe.method, Bake) and recipe.system is not None,
            "the rows of bake stand without a system prompt, and `system` would give them one",
            f"system: {recipe.system}",
            "leave system out; method.prompt is the prompt that is baked in",
        ),
    ]
    refuse_first(wrong, where)
