"""What the methods share that put a head in the place of words."""

from __future__ import annotations

from typing import ClassVar

from whet.recipe.methods.base import MethodKeys
from whet.recipe.methods.features import Feature
from whet.recipe.methods.usual import SMALL_HIDDEN, usual_rate

UNDER_SFT = 3.0
"""A head moves every score at once: published reward models use 9e-6 for all weights (InstructGPT, 6B) and 1e-4 for
a LoRA (TRL), transformers' guide to text classification 2e-5 for all weights of a hidden size of 768: each about a
third of what these rules give sft at that size."""
UNDER_SFT_SMALL = 1.5
"""Below a hidden size of 512: on the bundled base a LoRA at 4e-3 beat one at 2e-3, and 6e-3 did not settle (macro-F1 of
bench.shown.classify 0.94 against 0.82; a regression diverged at 6e-3)."""


class Headed(MethodKeys):
    """The model gives numbers, and writes nothing."""

    has_head: ClassVar[bool] = True
    cannot: ClassVar[frozenset[Feature]] = frozenset(
        {
            "compare",
            "frontier",
            "drawn-answers",
            "own-metric",
            "judge",
            "wins",
            "goal-of-answers",
            "replay",
            "kl",
            "scale",
            "quantise",
            "retrieval",
            "modules-to-save",
        }
    )

    def rate(self, hidden: int) -> tuple[float, str]:
        rate, source = usual_rate(hidden)
        if hidden < SMALL_HIDDEN:
            return rate / UNDER_SFT_SMALL, f"{source}, divided by {UNDER_SFT_SMALL:g} for a head"
        return rate / UNDER_SFT, f"{source}, divided by {UNDER_SFT:g} for a head (InstructGPT, TRL)"

    def cache_key(self) -> str:
        return self.model_dump_json()  # heads learn other columns
