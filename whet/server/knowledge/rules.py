"""How passages are found and put into a prompt for a model.

One that was tuned with `retrieval:` is asked as in its evaluation: the recipe of its run says how documents are cut and
looked into, how many passages stand in a prompt and in which form. Any other model is asked with the same defaults, and
passages are found for it as the service does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from whet.evaluation.retrieval.grounding import refusals_of
from whet.recipe.sections.retrieval import Retrieval
from whet.server.inference.catalogue import ServedModel
from whet.server.knowledge.manner import Manner, manner_of_recipe
from whet.store.run import Run

PLAIN = Retrieval(documents="documents")
"""What holds where a model was tuned without passages."""


@dataclass(frozen=True, slots=True)
class Rules:
    tuned: bool
    """Was the model tuned with passages?"""
    manner: Manner | None
    """How passages are cut and found, where the model was tuned with them; None: as the service does."""
    count: int
    """Passages in a prompt."""
    template: str
    refusals: tuple[str, ...]
    limit: int | None
    """Most tokens of a prompt, as far as the recipe says."""


def rules_of(served: ServedModel) -> Rules:
    """Raises WhetError for a run whose recipe is damaged."""
    if served.run is None:
        return _rules(PLAIN, False, None)
    return _of_run(served.run.folder)


@lru_cache(maxsize=1024)
def _of_run(folder: Path) -> Rules:
    """The recipe of a run that has ended never changes."""
    recipe = Run(folder).recipe
    return _rules(recipe.retrieval or PLAIN, recipe.retrieval is not None, recipe.max_tokens)


def _rules(settings: Retrieval, tuned: bool, limit: int | None) -> Rules:
    manner = manner_of_recipe(settings) if tuned else None
    return Rules(tuned, manner, settings.passages, settings.template, refusals_of(settings.refusal), limit)
