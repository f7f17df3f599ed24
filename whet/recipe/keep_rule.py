"""What keeps the base's abilities where a recipe does not say: which words of the base are replayed, and how much.

The numbers are here at the top; docs/measuring/forgetting.md holds the measurements that they come from.
"""

from __future__ import annotations

from collections.abc import Iterator

from whet.recipe.schema import Full, Recipe
from whet.recipe.sections.keep import BASE, NOTHING

REPLAY_RATIO, TEXT_RATIO = 0.33, 0.2
"""Measured on two bases (docs/measuring/forgetting.md); continued pre-training takes 0.05 for a weak shift, 0.25 to 0.5
for a strong one (Ibrahim et al. 2024, arXiv 2403.08763). The second is for plain text, whose own share should stay
large."""
EVERY, KL, LARGEST_KL = 2, 1.0, 2.0
"""Half the replays at twice the weight: over the run the same pull as a weight of 1 at every step, which is what was
measured, for half of the replayed tokens. 2 is the largest weight that was measured (docs/measuring/forgetting.md)."""
LEAST_STEPS = 4
"""Fewer steps forget little, and asking the base takes longer than they do."""
Chosen = tuple[str, tuple[object, str]]
"""A key of `keep`, its value, and the reason in one sentence."""


def keeping(recipe: Recipe) -> Iterator[Chosen]:
    """What the rule says of each key that the recipe leaves out, in order: a later key is asked for when the ones
    before it are filled in."""
    keep = recipe.keep
    if keep.replay is None:
        yield "replay", replay(recipe)

    if keep.replays:
        if recipe.method.rows.as_text:
            share = TEXT_RATIO
        else:
            share = REPLAY_RATIO

        yield "ratio", (share, "Measured on two bases (docs/measuring/forgetting.md); more keeps more.")
        yield "every", every(recipe)

    if keep.replay == BASE:
        yield "kl", kl(recipe)


def replay(recipe: Recipe) -> tuple[str, str]:
    """Only where given words are learned, and from a base that has something to lose."""
    method = recipe.method
    if not method.replays:
        return NOTHING, f"The method {method.kind} has its own hold on the base, or learns from no given words."
    if method.random_start:
        return NOTHING, "From scratch there is no base to keep."
    if recipe.steps is not None and recipe.steps < LEAST_STEPS:
        return NOTHING, f"Fewer than {LEAST_STEPS} steps forget too little to be worth it."
    return BASE, "What the base says to general prompts is kept beside the task (keep: false turns it off)."


def every(recipe: Recipe) -> tuple[int, str]:
    if recipe.steps is not None and recipe.steps < EVERY:
        return recipe.steps, f"In the last of {recipe.steps} steps, which are fewer than {EVERY}."
    return EVERY, "Every second step, at twice the weight: about the same pull for half of the replayed tokens."


def kl(recipe: Recipe) -> tuple[float, str]:
    if isinstance(recipe.adapter, Full):
        return 0.0, "adapter: full leaves no base to read; its words are learned."
    weight = min(LARGEST_KL, KL * (recipe.keep.every or 1))
    why = "The KL to the base keeps more than learning its words does (docs/measuring/forgetting.md); 1 at every step."
    return weight, why
