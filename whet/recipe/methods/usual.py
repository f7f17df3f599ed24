"""Rules that most methods follow for what a recipe leaves out: passes, the size of a step, the rate. A method with
another rule has it in its own file. The source of each number is beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whet.errors import count
from whet.recipe.rounding import format_epochs, power_of_two
from whet.recipe.sections.adapters import Lora

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

EPOCHS, SMALL_ROWS, LARGE_ROWS, MOST_EPOCHS = 3, 100, 25_000, 25
"""OpenAI's rule: 3 epochs; below 100 row-passes more, above 25,000 fewer."""
ORDINARY_ANSWER = 50
"""Tokens: an answer that is shorter counts for less of a row in OpenAI's bound for large sets, whose rows are chats. A
set of 150 classes gained 8.7 points from twice the passes."""
LEAST_STEPS = 100
"""Fewer optimiser steps rarely settle (tinker-cookbook: at least 100, better 1000)."""
LORA_ROWS, FULL_ROWS = 32, 128
"""Largest batch in rows: a LoRA loses from larger ones whatever its rank (LoRA Without Regret)."""
FULL_RATE, REFERENCE_HIDDEN = 5e-5, 2000
"""Tinker's fit: full rate = 5e-5 * (2000 / hidden) ** exponent."""
EXPONENT_BELOW, EXPONENT_ABOVE = 0.0775, 0.781
"""The exponents fitted to Qwen and to Llama; on either side of 2000 we take the one that gives the lower rate."""
SMALL_HIDDEN, SMALL_FULL_RATE, SMALL_REFERENCE = 512, 6e-4, 192
"""Below a hidden size of 512 Tinker's fit does not reach; on the demo and the bundled base (hidden size 192) a LoRA at
6e-3 beat one at 2e-3."""


@dataclass(frozen=True)
class DataFacts:
    """What the rules look at. Rows and tokens are those of one pass over the training rows."""

    rows: int
    tokens: int
    supervised_tokens: int
    hidden_size: int
    parameters: int
    context: int
    from_scratch: bool = False
    desirable: int = 0
    """Of answers that are marked: how many are good; the others are bad."""
    micro: int | None = None
    """Tokens of the largest micro-batch that fits, as the memory plan says; None where it is not asked."""

    @property
    def mean(self) -> float:
        """Tokens of a row."""
        return self.tokens / max(1, self.rows)


@dataclass(frozen=True)
class Choice:
    """A key, the value that a rule gave it, and the reason in one sentence."""

    key: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Work:
    """What an epoch consists of and how much of it a step takes: tokens, or prompts where answers are written."""

    whole: int
    step: float
    unit: str


def usual_epochs(facts: DataFacts) -> tuple[float, str]:
    """(passes over the training rows, why)."""
    if EPOCHS * facts.rows < SMALL_ROWS:
        passes = min(MOST_EPOCHS, max(1, SMALL_ROWS // max(1, facts.rows)))
        return passes, f"Only {count(facts.rows, 'row')}: more passes over them (OpenAI's rule for small sets)."

    counted = facts.rows * min(1.0, facts.supervised_tokens / (ORDINARY_ANSWER * max(1, facts.rows)))
    if EPOCHS * counted > LARGE_ROWS:
        passes = max(1, int(LARGE_ROWS // counted))
        return passes, f"{facts.rows:,} rows need fewer passes (OpenAI's rule for large sets)."

    return EPOCHS, f"The usual number of passes over {facts.rows:,} rows (OpenAI's rule)."


def usual_batch(recipe: Recipe, facts: DataFacts, passes: float, least_rows: float, floor: str) -> tuple[int, str]:
    """(tokens of a step, why): the largest power of two that still gives enough steps, and at least `least_rows` mean
    rows before it is rounded. `floor` is the reason where these rows are what settles it; "" for none of its own."""
    total, mean = facts.tokens * passes, facts.mean
    if isinstance(recipe.adapter, Lora):
        most = LORA_ROWS
    else:
        most = FULL_ROWS

    value = power_of_two(max(least_rows * mean, min(total / LEAST_STEPS, most * mean)))
    steps = f"At least {LEAST_STEPS} steps{if_made(recipe, passes)}, and at most {most} rows of {mean:.0f} tokens each"

    if most == LORA_ROWS:
        why = " (a LoRA loses from larger batches; LoRA Without Regret)"
    else:
        why = ""

    return value, f"{floor or steps}{why}."


def if_made(recipe: Recipe, passes: float) -> str:
    """That so many passes are only supposed, where the user's steps make others."""
    was = "was" if passes == 1 else "were"
    if recipe.steps is not None:
        return f" if {format_epochs(passes)} {was} made"
    return ""


def usual_rate(hidden: int) -> tuple[float, str]:
    """(rate for all weights of a base of this hidden size, its source)."""
    if hidden < SMALL_HIDDEN:
        rate = SMALL_FULL_RATE * (SMALL_REFERENCE / hidden) ** EXPONENT_ABOVE
        return rate, f"Measured on the bundled base, scaled to hidden size {hidden}"

    if hidden < REFERENCE_HIDDEN:
        exponent = EXPONENT_BELOW
    else:
        exponent = EXPONENT_ABOVE

    rate = FULL_RATE * (REFERENCE_HIDDEN / hidden) ** exponent
    return rate, f"The published rate for hidden size {hidden} (tinker-cookbook)"
