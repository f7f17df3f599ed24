"""A trained reward model as a reward. It reads the conversation with the answer as its own template writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whet.errors import RecipeError, RunError
from whet.recipe.schema import LearnedReward
from whet.types import Message, Row

if TYPE_CHECKING:
    from whet.data.render.renderer import Renderer
    from whet.model.heads.sequence_classifier import RewardModel


class ModelReward:
    """The model is opened with the first answers: other rewards, and checks of a recipe, need no torch."""

    def __init__(self, settings: LearnedReward) -> None:
        """Raises RecipeError for a folder that holds no model."""
        folder = Path(settings.model)
        inner = folder / "model"
        if (inner / "whet.json").is_file():
            self.folder = inner
        else:
            self.folder = folder

        if not (self.folder / "whet.json").is_file():
            fix = "name the folder of a finished run with method: reward"
            raise RecipeError("there is no trained reward model here", where="model", value=settings.model, fix=fix)

        self.opened: tuple[RewardModel, Renderer] | None = None

    def __call__(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
        model, renderer = self._open()
        asked = zip(prompts, answers, rows, strict=True)
        return model.scores([self._ids(renderer, *one) for one in asked]).tolist()

    def _open(self) -> tuple[RewardModel, Renderer]:
        if self.opened is None:
            from whet.data.render.renderer import Renderer
            from whet.model.heads.sequence_classifier import open_reward_model

            model = open_reward_model(self.folder)
            self.opened = (model, Renderer(model.tokenizer))
        return self.opened

    def _ids(self, renderer: Renderer, prompt: list[Message], answer: str, row: Row) -> list[int]:
        """Prompt and answer with its stop token."""
        from whet.data.refused import RowRefused

        whole = Row(row.index, row.where, [*prompt, {"role": "assistant", "content": answer}], row.tools)
        try:
            return renderer.render(whole).ids
        except RowRefused as refusal:
            what = f"the reward model cannot read an answer: {refusal}"
            raise RunError(what, where=row.where, value=answer, fix="use a reward model of another base") from refusal
