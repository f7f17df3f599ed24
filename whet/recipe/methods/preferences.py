"""What the methods share that learn which answers are better: of pairs, or of answers marked good or bad."""

from __future__ import annotations

from typing import ClassVar

from whet.recipe.methods.base import PAIRED, MethodKeys, RowNeeds
from whet.recipe.methods.features import Feature


class Preferences(MethodKeys):
    """Answers beside others, held to the base by a `beta`."""

    rows: ClassVar[RowNeeds] = RowNeeds(forms=PAIRED, per_tree=True)
    cannot: ClassVar[frozenset[Feature]] = frozenset(
        {"drawn-answers", "own-metric", "kl", "scale-auto", "hold", "retrieval"}
    )
