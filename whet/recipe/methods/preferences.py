"""What the methods share that learn which answers are better: of pairs, or of answers marked good or bad."""

from __future__ import annotations

from typing import ClassVar

from whet.recipe.methods.base import PAIRED, MethodKeys, RowNeeds
from whet.recipe.methods.features import Feature
from whet.recipe.methods.usual import SMALL_HIDDEN, DataFacts, usual_rate

ONE_PASS = "One pass: preferences seen again are soon learned by heart (Tulu 3, TRL, tinker-cookbook)."
UNDER_SFT = 30.0
"""A pair's gradient is not a token's: published runs of large models use LoRA rates of 5e-6 (TRL) to 1e-5 (Tinker) and
full rates of 5e-7 to 1e-6 (Tulu 3), some thirty times below what these rules give sft at the same size."""
UNDER_SFT_SMALL = 120.0
"""Below a hidden size of 512, where the rate of sft is high: at 2e-4 the pairs of bench/shown/dpo.py drove the bundled
base away from both answers, at 5e-5 they did not."""


class Preferences(MethodKeys):
    """Answers beside others, held to the base by a `beta`."""

    rows: ClassVar[RowNeeds] = RowNeeds(forms=PAIRED, per_tree=True)
    cannot: ClassVar[frozenset[Feature]] = frozenset(
        {"drawn-answers", "own-metric", "kl", "scale-auto", "hold", "retrieval"}
    )

    def epochs(self, facts: DataFacts) -> tuple[float, str]:
        return 1, ONE_PASS

    def rate(self, hidden: int) -> tuple[float, str]:
        rate, source = usual_rate(hidden)
        under, whose = (UNDER_SFT_SMALL, "measured") if hidden < SMALL_HIDDEN else (UNDER_SFT, "TRL, Tulu 3")
        return rate / under, f"{source}, divided by {under:g} for preference pairs and marks ({whose})"
