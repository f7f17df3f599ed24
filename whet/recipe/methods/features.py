"""What a method may be asked to go with, and the sentence that says it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Feature = Literal[
    "show",
    "compare",
    "curve",
    "failures",
    "frontier",
    "drawn-answers",
    "own-metric",
    "judge",
    "wins",
    "system",
    "goal",
    "goal-of-answers",
    "replay",
    "kl",
    "scale",
    "scale-auto",
    "hold",
    "quantise",
    "retrieval",
    "modules-to-save",
]
"""Verbs, and keys of a recipe that not every method can obey."""
OF_FAILURES = "take a run of sft, classify, dpo, grpo, rloo or ppo"
SENTENCES: dict[Feature, tuple[str, str]] = {
    "show": ("{kind} learns every token, so there is nothing to colour", "use it on rows for sft"),
    "compare": (
        "compare asks every arm to write an answer, and this method's model gives none",
        "use rows of prompts and answers: sft",
    ),
    "curve": (
        "a learning curve is drawn over examples with answers, and {kind} has none",
        "use it for methods that learn from given answers",
    ),
    "failures": (
        "failures are looked for among answers to validation rows, and {kind} has none: {without}",
        OF_FAILURES,
    ),
    "frontier": (
        "{kind} trains a new head, so it cannot be interpolated with its base",
        "take a run whose model writes words, such as one of sft",
    ),
    "drawn-answers": (
        "the test rows of {kind} are not answered at a temperature",
        "leave evaluate.temperature out",
    ),
    "own-metric": (
        "a metric of your own scores answers, and {kind} has none on its test rows",
        "leave evaluate.metric out",
    ),
    "judge": ("a judge compares answers, and {kind} writes none", "leave evaluate.judge out"),
    "wins": ("a win rate compares answers, and {kind} writes none", "leave evaluate.wins out"),
    "system": ("{kind} learns plain text, which has no system prompt", "leave system out"),
    "goal": ("text has no answers that could reach a goal", "leave goal out"),
    "goal-of-answers": ("{kind} writes no answers and has no prompts", "leave them out"),
    "replay": (
        "{kind} does not learn rows word for word, so replay rows cannot be mixed in",
        "leave keep.replay out; keep.scale works with every method that writes words",
    ),
    "kl": (
        "{kind} is held to its base in its own way",
        "set method.beta or method.kl instead; or add keep.replay, and the KL is measured there",
    ),
    "scale": ("a model with a head cannot be scaled towards its base", "leave keep.scale out"),
    "scale-auto": (
        "{kind} writes no answers on validation rows that could choose a scale",
        "give a number, such as keep.scale: 0.7",
    ),
    "hold": (
        "the rate is held while more passes over the rows help, and {kind} makes no such passes",
        "set schedule.kind: cosine, linear or constant",
    ),
    "quantise": ("a head is saved with its adapter merged, which 4 bits cannot hold", "use a smaller base"),
    "retrieval": (
        "retrieval puts passages before questions with answers, which are rows of sft, not of {kind}",
        "use method: sft, or leave retrieval out",
    ),
    "modules-to-save": (
        "{kind} writes no words, so that only its head and the adapter are kept",
        "leave modules_to_save out, or set adapter: full",
    ),
}
"""Of each feature: why a method that cannot go with it does not, and what to do. `without` is `no_failures`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something does not go with a method, and what to do about it."""

    what: str
    fix: str
    value: str
    """What of the recipe it is about: the method's kind, unless it is another key."""
