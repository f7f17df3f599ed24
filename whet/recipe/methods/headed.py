"""What the methods share that put a head in the place of words."""

from __future__ import annotations

from typing import ClassVar

from whet.recipe.methods.base import MethodKeys
from whet.recipe.methods.features import Feature


class Headed(MethodKeys):
    """The model gives numbers, and writes nothing."""

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
