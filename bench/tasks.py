"""What is measured: each task with its model, its size, its sides and the goals that the result is held against.

Torch-free, because the driver imports it and must not hold a model's libraries in memory beside the measured process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["train", "rollouts", "generate", "start", "rows", "limit"]


@dataclass(frozen=True, slots=True)
class Goal:
    """`measure` of Whet's side divided by that of each peer (or, without `against`, as it stands) on one side of
    `bound`. Where several sides are named, all of them have to be beaten."""

    text: str
    measure: str
    bound: float
    most: bool = False
    """True: the number may be at most `bound`. False: at least."""
    against: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    name: str
    title: str
    kind: Kind
    sides: tuple[str, ...]
    model: Literal["135m", "nano", "tiny"] = "135m"
    method: Literal["sft", "dpo", "reward", "grpo", "ppo"] = "sft"
    adapter: Literal["lora", "full"] = "lora"
    state: Literal["float32", "bfloat16"] = "float32"
    """Of Whet's optimiser."""
    steps: int = 6
    """Optimiser steps; the first is a warm-up and is not timed."""
    batch: int = 8
    """Rows (or pairs) of a step; prompts of a batch or step where text is generated."""
    rate: float = 5e-4
    new_tokens: int = 64
    samples: int = 8
    """Answers to each prompt of a rollout."""
    updates: int = 1
    """Optimiser steps on the answers of a rollout."""
    tolerance: float = 0.005
    """Largest relative difference of two sides' losses at a step. bfloat16 keeps 8 bits: 0.4% a rounding. Seen: 0.03%
    over 6 steps of 135m, 0.19% over 60 steps of nano."""
    goals: tuple[Goal, ...] = ()


PEERS = ("trl-default", "trl-best")
TRAINERS = ("whet", *PEERS)
WRITERS = ("whet", "transformers-default", "transformers-best")


def faster(times: float, peers: tuple[str, ...] = PEERS) -> Goal:
    return Goal(f"at least {times:g} x the tokens/s", "tokens_per_second", times, against=peers)


def smaller(share: float) -> Goal:
    return Goal(f"at most {share:g} x the peak memory", "peak_memory_bytes", share, most=True, against=PEERS)


def _generate(model: Literal["135m", "nano", "tiny"], batch: int, times: float | None) -> Task:
    goals = (faster(times, WRITERS[1:]),) if times else ()
    title = f"generation, {model}, batch {batch}"
    return Task(f"generate-{model}-{batch}", title, "generate", WRITERS, model=model, batch=batch, goals=goals)


TASKS = (
    Task("limit", "the machine's matrix-multiply limit", "limit", ("limit",)),
    Task(
        "sft-lora",
        "SFT with LoRA, 135M",
        "train",
        TRAINERS,
        goals=(faster(4), smaller(0.4), Goal("at least 60% of the matrix-multiply limit", "share_of_limit", 0.6)),
    ),
    Task(
        "full",
        "SFT of all weights, 135M",
        "train",
        TRAINERS,
        adapter="full",
        rate=1e-4,
        goals=(faster(2), smaller(0.7)),
    ),
    Task(
        "full-lean",
        "SFT of all weights, 135M, optimiser state in bfloat16",
        "train",
        ("whet",),
        adapter="full",
        state="bfloat16",
        rate=1e-4,
    ),
    Task(
        "dpo",
        "DPO with LoRA, 135M",
        "train",
        TRAINERS,
        method="dpo",
        steps=4,
        rate=5e-5,
        tolerance=0.01,
        goals=(faster(5),),
    ),
    Task(
        "reward",
        "reward model with LoRA, 135M",
        "train",
        TRAINERS,
        method="reward",
        steps=4,
        rate=5e-5,
        tolerance=0.01,
    ),
    Task(
        "grpo",
        "GRPO with LoRA, 135M, eight answers of 64 tokens to a prompt",
        "rollouts",
        TRAINERS,
        method="grpo",
        steps=3,
        batch=4,
        rate=5e-5,
        goals=(Goal("at least 3 x the answers/s", "answers_per_second", 3, against=PEERS),),
    ),
    Task(
        "ppo",
        "PPO with LoRA, 135M, 32 answers of 64 tokens, four updates on each batch of answers",
        "rollouts",
        ("whet",),
        method="ppo",
        steps=12,
        batch=32,
        rate=5e-5,
        samples=1,
        updates=4,
    ),
    Task("sft-nano", "SFT with LoRA, nano", "train", TRAINERS, model="nano", steps=60, rate=2e-3, goals=(faster(3),)),
    _generate("135m", 1, 2),
    _generate("135m", 8, None),
    _generate("135m", 32, 3),
    _generate("nano", 1, 2),
    _generate("nano", 8, None),
    _generate("nano", 32, 3),
    Task(
        "start",
        "start of `whet train` on nano",
        "start",
        ("whet",),
        model="nano",
        goals=(
            Goal("first optimiser step within 8 s", "first_step_seconds", 8, most=True),
            Goal("of which imports at most 5 s", "import_seconds", 5, most=True),
        ),
    ),
    Task(
        "rows",
        "100,000 chat rows, nano",
        "rows",
        ("whet",),
        model="nano",
        goals=(
            Goal("first optimiser step within 30 s", "first_step_seconds", 30, most=True),
            Goal("peak memory at most 1.1 x that of 10,000 rows", "memory_growth", 1.1, most=True),
        ),
    ),
)
TRIALS = (
    Task("tiny-sft", "SFT with LoRA, a tiny model", "train", TRAINERS, model="tiny", steps=3, batch=4),
    Task(
        "tiny-full",
        "SFT of all weights, a tiny model",
        "train",
        TRAINERS,
        model="tiny",
        adapter="full",
        steps=3,
        batch=4,
    ),
    Task("tiny-dpo", "DPO with LoRA, a tiny model", "train", TRAINERS, model="tiny", method="dpo", steps=3, batch=4),
    Task(
        "tiny-reward",
        "reward model with LoRA, a tiny model",
        "train",
        TRAINERS,
        model="tiny",
        method="reward",
        steps=3,
        batch=4,
    ),
    Task(
        "tiny-grpo",
        "GRPO with LoRA, a tiny model",
        "rollouts",
        TRAINERS,
        model="tiny",
        method="grpo",
        steps=2,
        batch=2,
        new_tokens=8,
    ),
    Task(
        "tiny-ppo",
        "PPO with LoRA, a tiny model",
        "rollouts",
        ("whet",),
        model="tiny",
        method="ppo",
        steps=4,
        batch=2,
        new_tokens=8,
        samples=1,
        updates=2,
    ),
    Task("tiny-generate", "generation, a tiny model", "generate", WRITERS, model="tiny", batch=3, new_tokens=5),
)
"""Seconds long: they show that the sides work, and their times mean nothing. Run only when named."""
BY_NAME = {task.name: task for task in (*TASKS, *TRIALS)}
