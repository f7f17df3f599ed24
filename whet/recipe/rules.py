"""Values for the keys that a recipe leaves out, each with the rule it came from. Sources are beside each number.

The numbers of these rules are here at the top; those that methods share are in methods/usual.py, and those of one
method in its file.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from whet.errors import count
from whet.recipe.keep_rule import keeping
from whet.recipe.methods.usual import LEAST_STEPS, Choice, DataFacts, Work
from whet.recipe.rounding import format_epochs, power_of_two
from whet.recipe.schema import Lora, Recipe
from whet.text.numbers import round_two_digits

LORA_OVER_FULL = 10.0
"""A LoRA wants about ten times the rate of full fine-tuning (LoRA Without Regret; tinker-cookbook)."""
SCRATCH_BASE, SCRATCH_SLOPE, SCRATCH_LEAST = 3.239e-3, 1.395e-4, 2e-4
"""Kaplan et al. 2020, appendix D.6: rate = 0.003239 - 0.0001395 ln(parameters)."""
RANK, LARGE_RANK, LARGE_TOKENS = 16, 32, 2_000_000
ALPHA = 32.0
"""Constant, so that the best learning rate hardly depends on the rank (LoRA Without Regret)."""
HOLD_TIMES, HOLD_TOKENS, HOLD_WORTH = 4, 2_000_000, 1.3
"""Bounds of time, not fitted. On nano banking20 (200 test rows) scored 71.5% so, 68.0% after 3 passes of a cosine
(single runs of bench/sets.py's rows, no replay). How many times the usual passes a run may make while validation
improves (training/optimizers/rate_hold.py), as long as it reads no more than so many tokens in all; below the last
there is nothing worth waiting for."""
VALIDATIONS, CHECKPOINTS = 10, 20
MICRO_NUMBERS, LEAST_MICRO, LARGEST_MICRO = 2**20, 512, 8192
"""Numbers in one layer's hidden states of a micro-batch, and its bounds in tokens."""


def fill_defaults(recipe: Recipe, facts: DataFacts) -> tuple[Recipe, list[Choice]]:
    """A copy of the recipe with every rule applied, and what was chosen. What the user set is never changed."""
    recipe = recipe.model_copy(deep=True)
    choices: list[Choice] = []

    def fill(group: Any, prefix: str, name: str, chosen: tuple[Any, str]) -> None:
        if getattr(group, name) is None:
            setattr(group, name, chosen[0])
            choices.append(Choice(prefix + name, chosen[0], chosen[1]))

    if isinstance(recipe.adapter, Lora):
        fill(recipe.adapter, "adapter.", "rank", rank(facts))
        fill(recipe.adapter, "adapter.", "alpha", alpha())

    method = recipe.method
    method.fill(facts, lambda name, chosen: fill(method, "method.", name, chosen))
    fill(recipe, "", "max_tokens", (facts.context, "The base's context: the longest row it can see whole."))
    asked_epochs, asked_steps = recipe.epochs is not None, recipe.steps

    passes = recipe.epochs or method.epochs(facts)[0]
    if chosen := method.batch_tokens(recipe, facts, passes):
        fill(recipe, "", "batch_tokens", chosen)

    fill(recipe, "", "micro_batch_tokens", micro_batch_tokens(method.step_tokens(recipe, facts), facts))
    work = method.work(recipe, facts)
    times = hold_times(recipe, facts, passes)

    if recipe.schedule.kind == "auto":
        chosen = schedule_kind(times)
        recipe.schedule.kind = chosen[0]
        choices.append(Choice("schedule.kind", *chosen))

    if recipe.schedule.kind == "hold":
        longest = asked_steps or steps(passes, work, asked_epochs)[0] * math.ceil(times)
        usual, reason = steps(method.epochs(facts)[0], work, asked_epochs)
        fill(recipe.schedule, "schedule.", "shortest", (min(usual, longest), reason))

    if asked_steps is not None:
        fill(recipe, "", "epochs", epochs_of(asked_steps, work))
    else:
        fill(recipe, "", "epochs", longest_epochs(recipe, facts, times))

    fill(recipe, "", "steps", longest_steps(recipe, times, steps(passes, work, asked_epochs)))
    fill(recipe, "", "learning_rate", learning_rate(recipe, facts))

    for name, chosen in keeping(recipe):
        fill(recipe.keep, "keep.", name, chosen)
    assert recipe.steps is not None
    usual = recipe.schedule.shortest or recipe.steps
    run = f"a run of {count(usual, 'step')}."
    every = max(1, usual // VALIDATIONS)
    fill(recipe.evaluate, "evaluate.", "every", (every, f"{VALIDATIONS} validations in {run}"))
    every = method.checkpoint_every(max(1, usual // CHECKPOINTS))
    fill(recipe, "", "checkpoint_every", (every, f"{CHECKPOINTS} checkpoints in {run}"))
    return recipe, choices


def rank(facts: DataFacts) -> tuple[int, str]:
    if facts.supervised_tokens > LARGE_TOKENS:
        return LARGE_RANK, f"More than {LARGE_TOKENS:,} tokens to learn need a larger adapter (LoRA Without Regret)."
    return RANK, f"Enough for up to {LARGE_TOKENS:,} tokens to learn (LoRA Without Regret)."


def alpha() -> tuple[float, str]:
    return ALPHA, "Constant, so that the best learning rate hardly depends on the rank (LoRA Without Regret)."


def hold_times(recipe: Recipe, facts: DataFacts, passes: float) -> float:
    """How many times the usual passes a run may make; 1 where it must have its length beforehand."""
    fixed = recipe.steps is not None or recipe.epochs is not None or recipe.schedule.kind not in ("auto", "hold")
    if fixed or not may_hold(recipe):
        return 1.0
    times = min(float(HOLD_TIMES), HOLD_TOKENS / max(1.0, facts.tokens * passes))
    if times >= HOLD_WORTH or recipe.schedule.kind == "hold":
        return times
    return 1.0


def may_hold(recipe: Recipe) -> bool:
    """Waiting is for methods that make several passes, with validation rows that may end the training."""
    return recipe.method.many_passes and recipe.evaluate.early_stop and recipe.split.validation > 0


def schedule_kind(times: float) -> tuple[Literal["hold", "cosine"], str]:
    if times > 1:
        return "hold", "A cosine that waits in its middle while validation improves (Hägele et al. 2024)."
    return "cosine", "The length of the run is known beforehand, and a cosine reaches its end there."


def longest_epochs(recipe: Recipe, facts: DataFacts, times: float) -> tuple[float, str]:
    passes, reason = recipe.method.epochs(facts)
    if times <= 1:
        return passes, reason
    most = round_two_digits(passes * times)
    return most, f"At most, while validation improves; at least {passes:g}. {reason}"


def longest_steps(recipe: Recipe, times: float, usual: tuple[int, str]) -> tuple[int, str]:
    if times <= 1 or recipe.schedule.shortest is None:
        return usual
    most = math.ceil(recipe.schedule.shortest * times)
    return most, f"At most, while validation improves: {times:.2g} times the {recipe.schedule.shortest} of a usual run."


def epochs_of(steps: int, work: Work) -> tuple[float, str]:
    passes = max(0.01, round(steps * work.step / max(1, work.whole), 2))
    return passes, f"Follows from the {count(steps, 'step')} that you set."


def micro_batch_tokens(batch_tokens: int, facts: DataFacts) -> tuple[int, str]:
    fits = power_of_two(min(LARGEST_MICRO, max(LEAST_MICRO, MICRO_NUMBERS / facts.hidden_size)))
    if facts.micro is not None:
        fits = facts.micro
    if batch_tokens <= fits:
        return batch_tokens, "The whole step fits in one forward pass."
    if facts.micro is not None:
        return fits, "The most that fits into this machine's memory (whet plan); the result does not depend on it."
    return fits, f"Keeps activations of hidden size {facts.hidden_size} small; the result does not depend on it."


def steps(passes: float, work: Work, asked_epochs: bool) -> tuple[int, str]:
    wanted = max(1, math.ceil(work.whole * passes / work.step))
    reason = f"{work.whole:,} {work.unit} x {format_epochs(passes)} / {work.step:,g} {work.unit} a step"
    if wanted < LEAST_STEPS and not asked_epochs:
        return LEAST_STEPS, f"{reason} would be {wanted}; fewer than {LEAST_STEPS} rarely settle (tinker-cookbook)."
    return wanted, f"{reason}."


def learning_rate(recipe: Recipe, facts: DataFacts) -> tuple[float, str]:
    if facts.from_scratch:
        rate = max(SCRATCH_LEAST, SCRATCH_BASE - SCRATCH_SLOPE * math.log(facts.parameters))
        return round_two_digits(rate), f"From scratch with {facts.parameters:,} parameters (Kaplan et al. 2020, D.6)."
    rate, source = recipe.method.rate(facts.hidden_size)
    if isinstance(recipe.adapter, Lora):
        source += f", times {LORA_OVER_FULL:g} for a LoRA (LoRA Without Regret)"
        rate *= LORA_OVER_FULL
    return round_two_digits(rate), f"{source}."
