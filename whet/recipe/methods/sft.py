"""Answers that are given: the usual method."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from whet.recipe.methods.base import ANSWERED, PROMPTS, TEXT, Kind, MethodKeys
from whet.recipe.methods.features import Feature, Refusal
from whet.recipe.methods.usual import (
    LEAST_STEPS,
    REFERENCE_HIDDEN,
    SMALL_HIDDEN,
    SMALL_REFERENCE,
    DataFacts,
    if_made,
    usual_batch,
    usual_rate,
)

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

SMALL_RATE, EXPONENT = 3e-4, 0.765
"""Below a hidden size of 2000: the power that joins 3e-4 for all weights at 192 and 5e-5 at 2000 (Tinker),
ln 6 / ln(2000 / 192). Less than the usual rate, because what a tune costs the base falls faster with its rate than what
it learns (docs/measuring/forgetting.md): on 20 intents 4.5e-3 cost the bundled base 16 points of its skills and scored
62.5%, 3e-3 cost 7.5 and scored 59.5%. Tinker's own fit reaches no base this small: at 576 it gives a LoRA 5.5e-4, and
2e-3 was 5.6 points better on three classes; this gives 1.3e-3, which scored 90.0% on 20 intents. SmolLM2's authors
tuned all weights of the 135M at 1e-3 (alignment-handbook, recipes/smollm2/sft), where this gives 1.3e-4."""
LEAST_ROWS, SMALL_LEAST_ROWS = 16, 32
"""Least rows of a step, before tokens are rounded down to a power of two; the second below a hidden size of 512. On 300
rows of three classes steps of 5 rows drove the loss of general text on the bundled base up by 24%, steps of 20 rows by
13%, at the same score."""


class Sft(MethodKeys):
    """Supervised fine-tuning: learn the assistant turns of conversations."""

    summary: ClassVar[str] = "learns the answers"
    guide: ClassVar[str] = "data/formats.md"
    chosen_by: ClassVar[frozenset[Kind]] = ANSWERED | TEXT | PROMPTS
    chosen_because: ClassVar[str] = "The rows are examples to learn from (not preferences)."
    many_passes: ClassVar[bool] = True
    replays: ClassVar[bool] = True

    kind: Literal["sft"] = "sft"

    def why_not(self, feature: Feature, recipe: Recipe) -> Refusal | None:
        if feature == "failures" and recipe.evaluate.metric == "nll":
            fix = "set evaluate.metric to one that scores answers"
            return Refusal("a likelihood is no answer that could fail", fix, "nll")
        return super().why_not(feature, recipe)

    def batch_tokens(self, recipe: Recipe, facts: DataFacts, passes: float) -> tuple[int, str]:
        if facts.hidden_size < SMALL_HIDDEN:
            least = SMALL_LEAST_ROWS
        else:
            least = LEAST_ROWS

        floor = ""
        if facts.tokens * passes / LEAST_STEPS < least * facts.mean:
            made = if_made(recipe, passes)
            floor = f"At least half of {least} rows of {facts.mean:.0f} tokens each, whatever the steps{made}"

        return usual_batch(recipe, facts, passes, least, floor)

    def rate(self, hidden: int) -> tuple[float, str]:
        if hidden >= REFERENCE_HIDDEN:
            return usual_rate(hidden)
        source = f"Between what was measured on the bundled base and what is published, for hidden size {hidden}"
        return SMALL_RATE * (SMALL_REFERENCE / hidden) ** EXPONENT, source
