"""Values for the keys that a recipe leaves out, each with the rule it came from. Sources stand beside each number.

The numbers of all rules stand here at the top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from whet.errors import count
from whet.recipe.keep_rule import keeping
from whet.recipe.methods.rollouts import OwnAnswers, Rollouts
from whet.recipe.schema import Classify, Dpo, HeadMethod, Kto, Lora, Pretrain, Recipe, Reward, Sft

LORA_OVER_FULL = 10.0
"""A LoRA wants about ten times the rate of full fine-tuning (LoRA Without Regret; tinker-cookbook)."""
FULL_RATE, REFERENCE_HIDDEN = 5e-5, 2000
"""Tinker's fit: full rate = 5e-5 * (2000 / hidden) ** exponent."""
EXPONENT_BELOW, EXPONENT_ABOVE = 0.0775, 0.781
"""The exponents fitted to Qwen and to Llama; on either side of 2000 we take the one that gives the lower rate."""
SMALL_HIDDEN, SMALL_FULL_RATE, SMALL_REFERENCE = 512, 6e-4, 192
"""Below a hidden size of 512 Tinker's fit does not reach; on the demo and the bundled base (hidden size 192) a LoRA at
6e-3 beat one at 2e-3."""
SFT_SMALL_RATE, SFT_EXPONENT = 3e-4, 0.765
"""For sft below a hidden size of 2000: the power that joins 3e-4 for all weights at 192 and 5e-5 at 2000 (Tinker),
ln 6 / ln(2000 / 192). Less than the rate above, because what a tune costs the base falls faster with its rate than what
it learns (docs/measuring/forgetting.md): on 20 intents 4.5e-3 cost the bundled base 16 points of its skills and scored
62.5%, 3e-3 cost 7.5 and scored 59.5%. Tinker's own fit reaches no base this small: at 576 it gives a LoRA 5.5e-4, and
2e-3 was 5.6 points better on three classes; this gives 1.3e-3, which scored 90.0% on 20 intents. SmolLM2's authors
tuned all weights of the 135M at 1e-3 (alignment-handbook, recipes/smollm2/sft), where this gives 1.3e-4."""
SCRATCH_BASE, SCRATCH_SLOPE, SCRATCH_LEAST = 3.239e-3, 1.395e-4, 2e-4
"""Kaplan et al. 2020, appendix D.6: rate = 0.003239 - 0.0001395 ln(parameters)."""
DPO_UNDER_SFT = 30.0
"""A pair's gradient is not a token's: published runs of large models use LoRA rates of 5e-6 (TRL) to 1e-5 (Tinker) and
full rates of 5e-7 to 1e-6 (Tulu 3), some thirty times below what these rules give sft at the same size."""
ROLLOUTS_UNDER_SFT = 12.0
"""An answer's gradient says less than a token's: Tinker takes 4e-5 for GRPO with a LoRA where these rules give sft some
5e-4, TRL 1e-5; on the bundled base 5e-4 learned (bench/shown/grpo.py)."""
HEAD_UNDER_SFT = 3.0
"""A head moves every score at once: published reward models use 9e-6 for all weights (InstructGPT, 6B) and 1e-4 for
a LoRA (TRL), transformers' guide to text classification 2e-5 for all weights of a hidden size of 768: each about a
third of what these rules give sft at that size."""
DPO_UNDER_SFT_SMALL = 120.0
"""Below a hidden size of 512, where the rate of sft is high: at 2e-4 the pairs of bench/shown/dpo.py drove the bundled
base away from both answers, at 5e-5 they did not."""
ORPO_UNDER_SFT = 4.0
"""Most of ORPO's loss is the answer's own; its authors trained 7B models at 5e-6 to 8e-6 (arXiv 2403.07691)."""
BETA = {"sigmoid": 0.1, "hinge": 0.1, "ipo": 0.1, "sigmoid-norm": 5.0, "simpo": 2.0, "orpo": 0.1}
"""By the loss of dpo. The reward of a token is smaller than that of an answer, so losses that take the mean want more:
5 in Tulu 3 (sigmoid-norm), 2 to 2.5 for SimPO's authors. ORPO's is its lambda, 0.1 in its paper."""
GAMMA = 0.5
"""SimPO's margin: TRL's default; its authors' values are 0.3 to 1.6, by model (arXiv 2405.14734)."""
MOST_DESIRABLE = 4 / 3
"""KTO: good answers should weigh between as much as the bad ones and a third more (arXiv 2402.01306, eq. 8; TRL)."""
KTO_ROWS = 8
"""KTO's reference point is a mean over a step: its authors advise 8 rows or more."""
SMALL_HEAD_UNDER_SFT = 1.5
"""Below a hidden size of 512: on the bundled base a LoRA at 4e-3 beat one at 2e-3, and 6e-3 did not settle (macro-F1 of
bench.shown.classify 0.94 against 0.82; a regression diverged at 6e-3)."""
LEAST_STEPS = 100
"""Fewer optimiser steps rarely settle (tinker-cookbook: at least 100, better 1000)."""
SFT_ROWS, SFT_SMALL_ROWS = 16, 32
"""Least rows of a step of sft, before tokens are rounded down to a power of two; the second below a hidden size of 512.
On 300 rows of three classes steps of 5 rows drove the loss of general text on the bundled base up by 24%, steps of 20
rows by 13%, at the same score."""
PRETRAIN_STEPS, PRETRAIN_LEAST_BATCH, PRETRAIN_LARGEST_BATCH = 1000, 2048, 65536
LORA_ROWS, FULL_ROWS = 32, 128
"""Largest batch in rows: a LoRA loses from larger ones whatever its rank (LoRA Without Regret)."""
RANK, LARGE_RANK, LARGE_TOKENS = 16, 32, 2_000_000
ALPHA = 32.0
"""Constant, so that the best learning rate hardly depends on the rank (LoRA Without Regret)."""
EPOCHS, SMALL_ROWS, LARGE_ROWS, MOST_EPOCHS = 3, 100, 25_000, 25
"""OpenAI's rule: 3 epochs; below 100 row-passes more, above 25,000 fewer."""
ORDINARY_ANSWER = 50
"""Tokens: an answer that is shorter counts for less of a row in OpenAI's bound for large sets, whose rows are chats. A
set of 150 classes gained 8.7 points from twice the passes."""
HOLD_TIMES, HOLD_TOKENS, HOLD_WORTH = 4, 2_000_000, 1.3
"""Bounds of time, not fitted. On nano banking20 (200 test rows) scored 71.5% so, 68.0% after 3 passes of a cosine
(single runs of bench/sets.py's rows, no replay). How many times the usual passes a run may make while validation
improves (train/hold.py), as long as it reads no more than so many tokens in all; below the last there is nothing worth
waiting for."""
TOKENS_PER_PARAMETER, MOST_REPEATS = 20, 4
"""Chinchilla's 20 tokens a parameter; up to 4 passes are nearly as good as new text (Muennighoff et al. 2023)."""
VALIDATIONS, CHECKPOINTS = 10, 20
MICRO_NUMBERS, LEAST_MICRO, LARGEST_MICRO = 2**20, 512, 8192
"""Numbers in one layer's hidden states of a micro-batch, and its bounds in tokens."""


@dataclass(frozen=True)
class Facts:
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


@dataclass(frozen=True)
class Choice:
    """A key, the value that a rule gave it, and the reason in one sentence."""

    key: str
    value: Any
    reason: str


def resolve(recipe: Recipe, facts: Facts) -> tuple[Recipe, list[Choice]]:
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
    if isinstance(recipe.method, Pretrain):
        fill(recipe.method, "method.", "context", (min(facts.context, 1024), "The base's context, at most 1024."))
    if isinstance(recipe.method, Dpo):
        fill(recipe.method, "method.", "beta", beta(recipe.method))
        if recipe.method.loss == "simpo":
            fill(recipe.method, "method.", "gamma", (GAMMA, "TRL's default; its authors took 0.3 to 1.6."))
        fill(recipe.method, "method.", "sft_weight", sft_weight(recipe.method))
    if isinstance(recipe.method, Kto):
        good, bad = weights_of_marks(recipe.method, facts)
        fill(recipe.method, "method.", "desirable_weight", good)
        fill(recipe.method, "method.", "undesirable_weight", bad)
    fill(recipe, "", "max_tokens", (facts.context, "The base's context: the longest row it can see whole."))
    asked_epochs, asked_steps = recipe.epochs is not None, recipe.steps
    passes = recipe.epochs or epochs(recipe, facts)[0]
    if not isinstance(recipe.method, OwnAnswers):
        fill(recipe, "", "batch_tokens", batch_tokens(recipe, facts, passes))
    fill(recipe, "", "micro_batch_tokens", micro_batch_tokens(step_tokens(recipe, facts), facts))
    work = work_of(recipe, facts)
    times = hold_times(recipe, facts, passes)
    if recipe.schedule.kind == "auto":
        chosen = schedule_kind(times)
        recipe.schedule.kind = chosen[0]
        choices.append(Choice("schedule.kind", *chosen))
    if recipe.schedule.kind == "hold":
        longest = asked_steps or steps(passes, work, asked_epochs)[0] * math.ceil(times)
        usual, reason = steps(epochs(recipe, facts)[0], work, asked_epochs)
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
    every = max(1, usual // CHECKPOINTS)
    if isinstance(recipe.method, Rollouts):
        every = recipe.method.updates * max(1, every // recipe.method.updates)
    fill(recipe, "", "checkpoint_every", (every, f"{CHECKPOINTS} checkpoints in {run}"))
    return recipe, choices


@dataclass(frozen=True)
class Work:
    """What an epoch consists of and how much of it a step takes: tokens, or prompts where answers are written."""

    whole: int
    step: float
    unit: str


def work_of(recipe: Recipe, facts: Facts) -> Work:
    if isinstance(recipe.method, OwnAnswers):
        updates = recipe.method.updates if isinstance(recipe.method, Rollouts) else 1
        return Work(facts.rows, recipe.method.prompts / updates, "prompts")
    assert recipe.batch_tokens is not None
    return Work(facts.tokens, recipe.batch_tokens, "tokens")


def step_tokens(recipe: Recipe, facts: Facts) -> int:
    """Tokens of an optimiser step; of one on the model's own answers the most that there can be."""
    if not isinstance(recipe.method, OwnAnswers):
        assert recipe.batch_tokens is not None
        return recipe.batch_tokens
    method, mean = recipe.method, facts.tokens / max(1, facts.rows)
    return math.ceil(method.prompts * (mean + method.samples * method.max_new_tokens))


def rank(facts: Facts) -> tuple[int, str]:
    if facts.supervised_tokens > LARGE_TOKENS:
        return LARGE_RANK, f"More than {LARGE_TOKENS:,} tokens to learn need a larger adapter (LoRA Without Regret)."
    return RANK, f"Enough for up to {LARGE_TOKENS:,} tokens to learn (LoRA Without Regret)."


def alpha() -> tuple[float, str]:
    return ALPHA, "Constant, so that the best learning rate hardly depends on the rank (LoRA Without Regret)."


def beta(method: Dpo) -> tuple[float, str]:
    sources = {"sigmoid-norm": "Tulu 3", "simpo": "SimPO's authors", "orpo": "ORPO's lambda"}
    return BETA[method.loss], f"The usual value for {method.loss} ({sources.get(method.loss, 'Rafailov et al. 2023')})."


def sft_weight(method: Dpo) -> tuple[float, str]:
    if method.loss == "orpo":
        return 1.0, "ORPO is the answer's own loss plus the odds ratio (arXiv 2403.07691, eq. 6)."
    return 0.0, "The pairs alone; 0.2 to 1 also keeps the chosen answers likely (RPO, arXiv 2404.19733)."


def weights_of_marks(method: Kto, facts: Facts) -> tuple[tuple[float, str], tuple[float, str]]:
    """(weight of a good answer, of a bad one), each with its reason. Of the weights that suit, those nearest to 1; the
    rarer mark is raised rather than the commoner one lowered. A weight that the user set is kept."""
    good, bad = max(1, facts.desirable), max(1, facts.rows - facts.desirable)
    desirable, undesirable = method.desirable_weight, method.undesirable_weight
    if desirable is None:
        least = (undesirable or 1.0) * bad / good
        settled = undesirable is None and good >= bad
        desirable = 1.0 if settled else min(max(1.0, least), MOST_DESIRABLE * least)
    most = desirable * good / bad
    undesirable = min(max(1.0, most / MOST_DESIRABLE), most)
    reason = f"{facts.desirable} good and {facts.rows - facts.desirable} bad answers: together the good ones should "
    reason += "weigh 1 to 4/3 of the bad ones (KTO, arXiv 2402.01306, eq. 8)."
    return (two_digits(desirable), reason), (two_digits(undesirable), reason)


def epochs(recipe: Recipe, facts: Facts) -> tuple[float, str]:
    if isinstance(recipe.method, Pretrain):
        if not facts.from_scratch:
            return 1, "One pass: text seen once is forgotten least."
        wanted = TOKENS_PER_PARAMETER * facts.parameters / max(1, facts.tokens)
        passes = min(MOST_REPEATS, max(1, math.ceil(wanted)))
        goal = f"Towards {TOKENS_PER_PARAMETER} tokens a parameter (Chinchilla)"
        return passes, f"{goal}, at most {MOST_REPEATS} passes (Muennighoff et al. 2023)."
    if isinstance(recipe.method, OwnAnswers):
        return 1, "One pass: every prompt is answered anew, and the answers are what is learned from."
    if isinstance(recipe.method, Dpo | Kto | Reward):
        return 1, "One pass: preferences seen again are soon learned by heart (Tulu 3, TRL, tinker-cookbook)."
    if EPOCHS * facts.rows < SMALL_ROWS:
        passes = min(MOST_EPOCHS, max(1, SMALL_ROWS // max(1, facts.rows)))
        return passes, f"Only {count(facts.rows, 'row')}: more passes over them (OpenAI's rule for small sets)."
    counted = facts.rows * min(1.0, facts.supervised_tokens / (ORDINARY_ANSWER * max(1, facts.rows)))
    if EPOCHS * counted > LARGE_ROWS:
        passes = max(1, int(LARGE_ROWS // counted))
        return passes, f"{facts.rows:,} rows need fewer passes (OpenAI's rule for large sets)."
    return EPOCHS, f"The usual number of passes over {facts.rows:,} rows (OpenAI's rule)."


def hold_times(recipe: Recipe, facts: Facts, passes: float) -> float:
    """How many times the usual passes a run may make; 1 where it must have its length beforehand."""
    fixed = recipe.steps is not None or recipe.epochs is not None or recipe.schedule.kind not in ("auto", "hold")
    if fixed or not may_hold(recipe):
        return 1.0
    times = min(float(HOLD_TIMES), HOLD_TOKENS / max(1.0, facts.tokens * passes))
    return times if times >= HOLD_WORTH or recipe.schedule.kind == "hold" else 1.0


def may_hold(recipe: Recipe) -> bool:
    """Waiting is for methods that make several passes, with validation rows that may end the training."""
    return isinstance(recipe.method, Sft | Classify) and recipe.evaluate.early_stop and recipe.split.validation > 0


def schedule_kind(times: float) -> tuple[Literal["hold", "cosine"], str]:
    if times > 1:
        return "hold", "A cosine that waits in its middle while validation improves (Hägele et al. 2024)."
    return "cosine", "The length of the run is known beforehand, and a cosine reaches its end there."


def longest_epochs(recipe: Recipe, facts: Facts, times: float) -> tuple[float, str]:
    passes, reason = epochs(recipe, facts)
    if times <= 1:
        return passes, reason
    most = two_digits(passes * times)
    return most, f"At most, while validation improves; at least {passes:g}. {reason}"


def longest_steps(recipe: Recipe, times: float, usual: tuple[int, str]) -> tuple[int, str]:
    if times <= 1 or recipe.schedule.shortest is None:
        return usual
    most = math.ceil(recipe.schedule.shortest * times)
    return most, f"At most, while validation improves: {times:.2g} times the {recipe.schedule.shortest} of a usual run."


def epochs_of(steps: int, work: Work) -> tuple[float, str]:
    passes = max(0.01, round(steps * work.step / max(1, work.whole), 2))
    return passes, f"Follows from the {count(steps, 'step')} that you set."


def batch_tokens(recipe: Recipe, facts: Facts, passes: float) -> tuple[int, str]:
    """The largest power of two that still gives enough steps, within the method's bounds, and at least a mean row."""
    total = facts.tokens * passes
    was = "was" if passes == 1 else "were"
    made = f" if {told_epochs(passes)} {was} made" if recipe.steps is not None else ""  # your steps make others
    if isinstance(recipe.method, Pretrain):
        wanted = total / PRETRAIN_STEPS
        value = power_of_two(min(PRETRAIN_LARGEST_BATCH, max(PRETRAIN_LEAST_BATCH, wanted)))
        bounds = f"between {PRETRAIN_LEAST_BATCH} and {PRETRAIN_LARGEST_BATCH} tokens each"
        return value, f"About {PRETRAIN_STEPS} steps{made}, {bounds}."
    mean = facts.tokens / max(1, facts.rows)
    rows = LORA_ROWS if isinstance(recipe.adapter, Lora) else FULL_ROWS
    least = mean
    if isinstance(recipe.method, Kto):
        least = 2 * KTO_ROWS * mean  # up to half is rounded away
    elif isinstance(recipe.method, Sft):
        least = (SFT_SMALL_ROWS if facts.hidden_size < SMALL_HIDDEN else SFT_ROWS) * mean
    value = power_of_two(max(least, min(total / LEAST_STEPS, rows * mean)))
    reason = f"At least {LEAST_STEPS} steps{made}, and at most {rows} rows of {mean:.0f} tokens each"
    if isinstance(recipe.method, Sft) and total / LEAST_STEPS < least:
        reason = f"At least half of {least / mean:.0f} rows of {mean:.0f} tokens each, whatever the steps{made}"
    if isinstance(recipe.method, Kto):
        reason = f"At least {KTO_ROWS} rows of {mean:.0f} tokens, over which kto's reference point is estimated"
    why = " (a LoRA loses from larger batches; LoRA Without Regret)" if rows == LORA_ROWS else ""
    return value, f"{reason}{why}."


def micro_batch_tokens(batch_tokens: int, facts: Facts) -> tuple[int, str]:
    fits = power_of_two(min(LARGEST_MICRO, max(LEAST_MICRO, MICRO_NUMBERS / facts.hidden_size)))
    if facts.micro is not None:
        fits = facts.micro
    if batch_tokens <= fits:
        return batch_tokens, "The whole step fits in one forward pass."
    if facts.micro is not None:
        return fits, "The most that fits into this machine's memory (whet plan); the result does not depend on it."
    return fits, f"Keeps activations of hidden size {facts.hidden_size} small; the result does not depend on it."


def power_of_two(value: float) -> int:
    """The largest power of two that is not above `value`; at least 16."""
    return 1 << max(4, math.floor(math.log2(max(1.0, value))))


def steps(passes: float, work: Work, asked_epochs: bool) -> tuple[int, str]:
    wanted = max(1, math.ceil(work.whole * passes / work.step))
    reason = f"{work.whole:,} {work.unit} x {told_epochs(passes)} / {work.step:,g} {work.unit} a step"
    if wanted < LEAST_STEPS and not asked_epochs:
        return LEAST_STEPS, f"{reason} would be {wanted}; fewer than {LEAST_STEPS} rarely settle (tinker-cookbook)."
    return wanted, f"{reason}."


def learning_rate(recipe: Recipe, facts: Facts) -> tuple[float, str]:
    hidden = facts.hidden_size
    if facts.from_scratch:
        rate = max(SCRATCH_LEAST, SCRATCH_BASE - SCRATCH_SLOPE * math.log(facts.parameters))
        return two_digits(rate), f"From scratch with {facts.parameters:,} parameters (Kaplan et al. 2020, D.6)."
    if isinstance(recipe.method, Sft) and hidden < REFERENCE_HIDDEN:
        rate = SFT_SMALL_RATE * (SMALL_REFERENCE / hidden) ** SFT_EXPONENT
        source = f"Between what was measured on the bundled base and what is published, for hidden size {hidden}"
    elif hidden < SMALL_HIDDEN:
        rate = SMALL_FULL_RATE * (SMALL_REFERENCE / hidden) ** EXPONENT_ABOVE
        source = f"Measured on the bundled base, scaled to hidden size {hidden}"
    else:
        exponent = EXPONENT_BELOW if hidden < REFERENCE_HIDDEN else EXPONENT_ABOVE
        rate = FULL_RATE * (REFERENCE_HIDDEN / hidden) ** exponent
        source = f"The published rate for hidden size {hidden} (tinker-cookbook)"
    if isinstance(recipe.method, Dpo) and recipe.method.loss == "orpo":
        source += f", divided by {ORPO_UNDER_SFT:g} for orpo (its authors)"
        rate /= ORPO_UNDER_SFT
    elif isinstance(recipe.method, Dpo | Kto):
        under, whose = (DPO_UNDER_SFT_SMALL, "measured") if hidden < SMALL_HIDDEN else (DPO_UNDER_SFT, "TRL, Tulu 3")
        source += f", divided by {under:g} for preference pairs and marks ({whose})"
        rate /= under
    if isinstance(recipe.method, Rollouts):
        source += f", divided by {ROLLOUTS_UNDER_SFT:g} for rewarded answers (tinker-cookbook)"
        rate /= ROLLOUTS_UNDER_SFT
    if isinstance(recipe.method, HeadMethod):
        under = SMALL_HEAD_UNDER_SFT if hidden < SMALL_HIDDEN else HEAD_UNDER_SFT
        source += f", divided by {under:g} for a head" + ("" if hidden < SMALL_HIDDEN else " (InstructGPT, TRL)")
        rate /= under
    if isinstance(recipe.adapter, Lora):
        source += f", times {LORA_OVER_FULL:g} for a LoRA (LoRA Without Regret)"
        rate *= LORA_OVER_FULL
    return two_digits(rate), f"{source}."


def told_epochs(passes: float) -> str:
    return "1 epoch" if passes == 1 else f"{passes:g} epochs"


def two_digits(value: float) -> float:
    return float(f"{value:.1e}")
