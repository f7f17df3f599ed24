"""The recipe: what the rules filled in, and all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from whet.reports.section import Section
from whet.reports.sheet import Sheet, plain
from whet.text.wording import setting

if TYPE_CHECKING:
    from whet.store.run import ChoiceFacts


class RecipeView(TypedDict):
    choices: Sheet | None
    recipe: str
    """The text of the whole recipe."""


def recipe_view(choices: list[ChoiceFacts], recipe: str) -> RecipeView | None:
    """The choices of the rules as a table, and the text of the whole recipe."""
    sheet = choices_view(choices)
    if sheet or recipe:
        return {"choices": sheet, "recipe": recipe}
    return None


def choices_view(choices: list[ChoiceFacts]) -> Sheet | None:
    """Key, value and reason of each setting that a rule filled in."""
    rows = [plain(choice["key"], setting(choice["value"]), choice["reason"]) for choice in choices]
    if rows:
        return Sheet(["key", "value", "reason"], rows, style="keys choices")
    return None


SECTION = Section(
    key="recipe",
    title="Recipe",
    after="ledger",
    reads=("choices.json", "recipe.resolved.yaml"),
    view=recipe_view,
)
