"""How rows are read here when their base is elsewhere: with its own tokenizer where that is known, else with nano's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whet.data.render.renderer import Renderer
from whet.model.base import context_of, load_config, load_tokenizer
from whet.recipe.bases import NANO, cached, folder_of
from whet.recipe.schema import Recipe
from whet.store.run import Run
from whet.training.session import clock_of, with_length_limits

UNKNOWN_CONTEXT = 8192
"""Tokens that a prompt and its answer are fitted into where nobody says what the base sees; rows are not cut by it."""


@dataclass(frozen=True, slots=True)
class RowReader:
    tokenizer: Any
    context: int
    hidden_size: int | None
    """None of a base that is not known here."""

    @property
    def known(self) -> bool:
        return self.hidden_size is not None

    @property
    def counted(self) -> str:
        if self.known:
            return "counted with the base's own tokenizer"
        return "estimated: the base's tokenizer is not here, so they are counted with that of nano"


def reader_of(recipe: Recipe) -> RowReader:
    """Raises ModelError for the path of a folder that is no base."""
    trust = recipe.trust_remote_code
    if recipe.base == NANO or folder_of(recipe.base) is not None or cached("models", recipe.base):
        config = load_config(recipe.base, trust)
        return RowReader(load_tokenizer(recipe.base, trust), context_of(config), int(config.hidden_size))
    return RowReader(load_tokenizer(NANO), recipe.max_tokens or UNKNOWN_CONTEXT, None)


def renderer_of(reader: RowReader, run: Run) -> Renderer:
    return Renderer(reader.tokenizer, clock=clock_of(run))


def limited(recipe: Recipe, reader: RowReader) -> Recipe:
    """With the lengths that the base allows, where they are known. Raises RecipeError."""
    if not reader.known:
        return recipe.model_copy(deep=True)
    return with_length_limits(recipe, load_config(recipe.base, recipe.trust_remote_code))
