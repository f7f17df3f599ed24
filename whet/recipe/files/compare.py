"""What the `compare` section names outside the recipe: documents, and the file of an instruction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.recipe.files.teachers import names_a_file, text_of


def comparison_beside(values: dict[str, Any], folder: Path, confined: bool, where: str) -> dict[str, Any]:
    """The recipe's values with documents that stand beside the recipe made to work from the current folder, and the
    text of an instruction's file in its place. With `confined` an instruction's path that leads out of `folder` is
    refused. Raises RecipeError."""
    section = values.get("compare")
    if not isinstance(section, dict):
        return values

    found = dict(section)
    system, documents = found.get("system"), found.get("documents")
    if isinstance(system, str) and names_a_file(system):
        found["system"] = text_of(system, folder, confined, where)

    if isinstance(documents, str) and documents and not Path(documents).is_absolute():
        if (folder / documents).exists():
            found["documents"] = str(folder / documents)
        else:
            found["documents"] = documents

    return {**values, "compare": found}
