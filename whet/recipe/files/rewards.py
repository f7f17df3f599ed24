"""Files that rewards, and a metric of the user's, name: they stand beside the recipe or in a folder there, so that a
recipe brings its own code only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whet.errors import RecipeError
from whet.recipe.external import is_function

PLACES = (("method", "rewards"), ("evaluate", "wins"))
"""Where a recipe holds rewards."""
KEYS = ("function", "schema_file")
"""Keys of a reward that hold a path; behind a colon stands a name in the file."""


def rewards_beside(values: dict[str, Any], folder: Path, confined: bool, where: str) -> dict[str, Any]:
    """The recipe's values with the files of its rewards and its metric made to work from the current
    folder. With `confined` a path that leads out of `folder` is refused with RecipeError."""
    for group, key in PLACES:
        holder = values.get(group)
        if isinstance(holder, dict):
            rewards = holder.get(key)
        else:
            rewards = None

        if isinstance(holder, dict) and isinstance(rewards, list | dict):
            if isinstance(rewards, list):
                items = rewards
            else:
                items = [rewards]

            moved = [_moved(item, folder, confined, where) if isinstance(item, dict) else item for item in items]
            values = {**values, group: {**holder, key: moved}}

    wanted = values.get("evaluate")
    if isinstance(wanted, dict) and isinstance(wanted.get("metric"), str) and is_function(wanted["metric"]):
        values = {**values, "evaluate": _moved(wanted, folder, confined, where, ("metric",))}
    return values


def _moved(
    reward: dict[str, Any], folder: Path, confined: bool, where: str, keys: Sequence[str] = KEYS
) -> dict[str, Any]:
    moved = dict(reward)
    for key in keys:
        name = reward.get(key)
        if not isinstance(name, str) or not name:
            continue  # the schema refuses it
        file, colon, function = name.partition(".py:")

        path = folder / f"{file}{'.py' if colon else ''}"
        if confined and not path.resolve().is_relative_to(folder.resolve()):
            what = f"{key} leads out of the recipe's folder"
            raise RecipeError(what, where=where, value=name, fix="put the file beside the recipe")

        moved[key] = f"{path}{colon.removeprefix('.py')}{function}"

    return moved
