"""What vLLM's LoRA does not read, from an adapter's settings alone: known before anything is trained.

Source: vllm/lora/peft_helper.py and vllm/config/lora.py (0.11): ranks up to 512 in steps; DoRA and modules_to_save are
refused; one alpha/r is used for all modules, so rank and alpha patterns are ignored; adapters of embeddings and of the
output layer are not read.
"""

from __future__ import annotations

from collections.abc import Iterable

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What --max-lora-rank takes."""
NOT_ADAPTED = ("embed_tokens", "lm_head", "wte", "embed_in", "embed_out")


def refused_by_vllm(
    ranks: Iterable[int], *, dora: bool, modules_to_save: Iterable[str], rank_pattern: bool, targets: Iterable[str]
) -> str | None:
    """Why vLLM cannot serve such an adapter; None where it can. An alpha pattern is folded into B by an export."""
    highest = max(ranks)
    if highest > RANKS[-1]:
        return f"its rank is {highest}, and vLLM reads at most {RANKS[-1]}"
    if dora:
        return "it is a DoRA adapter, which vLLM refuses"
    if whole := sorted(modules_to_save):
        return f"it holds modules that were trained whole ({', '.join(whole)}), which vLLM refuses"
    if rank_pattern:
        return "its modules have several ranks, and vLLM scales all by one"

    odd = sorted({name.rpartition(".")[2] for name in targets} & set(NOT_ADAPTED))
    if odd:
        return f"it adapts {odd[0]}, which vLLM does not"
    return None


def rank_flag(highest: int) -> int:
    """The least value of --max-lora-rank that holds an adapter of this rank."""
    return next(rank for rank in RANKS if rank >= highest)
