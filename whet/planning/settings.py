"""Settings that fit: what costs least is tried first, and only what memory asks for is given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from whet.planning.beside_steps import Around, peak
from whet.planning.memory import Memory, Setting
from whet.planning.model_shape import ModelShape

MARGIN = 1.1
"""A plan fits when a tenth more would fit as well: predictions are within a tenth of what is measured."""
SMALL_MICRO = 512
"""A micro-batch is made this small before layers are computed twice; smaller ones waste most processors."""
RANK = 16
"""Of a suggested adapter: the rule for all but large sets (whet/recipe/rules.py)."""


class SuggestionFacts(TypedDict):
    """What would fit, as a plan says it."""

    set: dict[str, Any]
    """Keys of the recipe with their values, as `--set` takes them; empty where it fits as it is."""
    total: int
    """Bytes."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Keys of the recipe to set (none when it fits as it is), and the memory that follows."""

    keys: dict[str, Any]
    memory: Memory
    sentence: str

    def facts(self) -> SuggestionFacts:
        """The entry `suggestion` of a plan."""
        return {"set": self.keys, "total": self.memory.total, "sentence": self.sentence}


def fits(memory: Memory, available: int) -> bool:
    return memory.total * MARGIN <= available


def suggest(shape: ModelShape, asked: Setting, available: int, around: Around | None = None) -> Suggestion | None:
    """The first setting that fits into `available` bytes, or None where nothing does."""
    for setting in ladder(asked):
        memory = peak(shape, setting, around)
        if fits(memory, available):
            keys = changes(asked, setting)
            return Suggestion(keys, memory, _sentence(keys, memory))
    return None


def smallest(shape: ModelShape, asked: Setting, around: Around | None = None) -> Memory:
    """The least that any of the settings takes."""
    return min((peak(shape, setting, around) for setting in ladder(asked)), key=lambda memory: memory.total)


def ladder(asked: Setting) -> Iterator[Setting]:
    """As asked, then smaller micro-batches, layers computed twice, the optimiser's state in 16 bits where all weights
    are trained, a 4-bit base, an adapter, and these together."""
    adapters = [asked]
    if not asked.rank:
        if asked.bf16_state or asked.optimizer != "adamw":
            smaller = []
        else:
            smaller = [replace(asked, bf16_state=True)]
        adapters += [*smaller, replace(asked, rank=RANK, targets="all-linear")]

    for adapter in adapters:
        may_quantise = adapter.rank and not asked.quantised and not asked.options.dora
        for quantised in (False, True) if may_quantise else (asked.quantised,):
            for recompute in (False, True) if not asked.recompute else (True,):
                setting = replace(adapter, quantised=quantised, recompute=recompute)
                floor = max(setting.longest, 1 if recompute else min(SMALL_MICRO, asked.tokens))
                yield from (replace(setting, tokens=tokens) for tokens in halvings(asked.tokens, floor))


def halvings(tokens: int, floor: int) -> Iterator[int]:
    """A micro-batch, its half, and so on; never below the longest row, which is not cut."""
    while tokens > floor:
        yield tokens
        tokens = max(floor, tokens // 2)
    yield tokens


def changes(asked: Setting, setting: Setting) -> dict[str, Any]:
    """What is different, as keys of a recipe."""
    keys: dict[str, Any] = {}
    if setting.rank != asked.rank:
        keys["adapter"] = {"kind": "lora", "rank": setting.rank}
    if setting.bf16_state != asked.bf16_state:
        keys["optimizer.state"] = "bfloat16"
    if setting.quantised != asked.quantised:
        keys["quantise"] = "nf4"
    if setting.recompute != asked.recompute:
        keys["recompute"] = True
    if setting.tokens != asked.tokens:
        keys["micro_batch_tokens"] = setting.tokens
    return keys


def _sentence(keys: dict[str, Any], memory: Memory) -> str:
    size = f"{memory.total / 1e9:.1f} GB"
    if not keys:
        return f"It fits as it is: {size}."
    return f"Set {', '.join(as_override(key, value) for key, value in keys.items())}: {size}."


def as_override(key: str, value: Any) -> str:
    """`key=value` as `--set` takes it."""
    if isinstance(value, dict):
        return f"{key}={{{', '.join(f'{k}: {v}' for k, v in value.items())}}}"
    return f"{key}={str(value).lower() if isinstance(value, bool) else value}"
