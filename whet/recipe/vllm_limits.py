"""What vLLM's LoRA does not read, from an adapter's settings alone: known before anything is trained.

Source: vllm/lora/peft_helper.py and vllm/config/lora.py (0.11): ranks up to 512 in steps; DoRA and modules_to_save are
refused; one alpha/r is used for all modules, so rank and alpha patterns are ignored; adapters of embeddings and of the
output layer are not read. vllm/lora/layers/logits_processor.py refuses large vocabularies, whatever is adapted, where
the output layer could be (github.com/vllm-project/vllm/pull/34773, which set the bound to what it is now).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from whet.recipe.sections.adapters import Lora

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What --max-lora-rank takes."""
NOT_ADAPTED = ("embed_tokens", "lm_head", "wte", "embed_in", "embed_out")
VOCABULARY = 258_048
"""Most tokens of a base..."""
WRAPPED = ("llama", "mistral")
"""...of these families, whose output layer vLLM makes ready for an adapter (its `embedding_modules`)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why vLLM cannot serve an adapter."""

    what: str
    option: str
    """Of the adapter, as the recipe calls it."""
    fix: str


def refused_by_vllm(
    ranks: Iterable[int], *, dora: bool, modules_to_save: Iterable[str], rank_pattern: bool, targets: Iterable[str]
) -> Refused | None:
    """Why vLLM cannot serve such an adapter; None where it can. An alpha pattern is folded into B by an export."""
    highest = max(ranks)
    if highest > RANKS[-1]:
        what = f"its rank is {highest}, and vLLM reads at most {RANKS[-1]}"
        return Refused(what, "rank_pattern" if rank_pattern else "rank", f"set it to {RANKS[-1]} or less")
    if dora:
        return Refused("it is a DoRA adapter, which vLLM refuses", "dora", "leave adapter.dora out")
    if whole := sorted(modules_to_save):
        what = f"it holds modules that were trained whole ({', '.join(whole)}), which vLLM refuses"
        return Refused(what, "modules_to_save", "leave adapter.modules_to_save out")
    if rank_pattern:
        what = "its modules have several ranks, and vLLM scales all by one"
        return Refused(what, "rank_pattern", "leave adapter.rank_pattern out")

    odd = sorted({name.rpartition(".")[2] for name in targets} & set(NOT_ADAPTED))
    if odd:
        return Refused(f"it adapts {odd[0]}, which vLLM does not", "targets", "leave it out of adapter.targets")
    return None


def rank_flag(highest: int) -> int:
    """The least value of --max-lora-rank that holds an adapter of this rank."""
    return next(rank for rank in RANKS if rank >= highest)


def refusal_of_adapter(adapter: Lora) -> Refused | None:
    """Why vLLM could not serve what this adapter will be, before it is trained; None where it could."""
    return refused_by_vllm(
        [adapter.rank or RANKS[0], *adapter.rank_pattern.values()],
        dora=adapter.dora,
        modules_to_save=adapter.modules_to_save,
        rank_pattern=bool(adapter.rank_pattern),
        targets=[] if isinstance(adapter.targets, str) else adapter.targets,
    )


def refused_vocabulary(family: str, tokens: int) -> str | None:
    """Why vLLM would serve no adapter over a base of this family (`model_type`) and so many tokens; None where it
    does."""
    if family in WRAPPED and tokens > VOCABULARY:
        return f"the base has {tokens:,} tokens, and vLLM reads adapters over at most {VOCABULARY:,}"
    return None
