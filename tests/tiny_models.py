"""Tiny random models of many architectures, and small forests to read with them."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from whet.data.batches.forest import build_batch
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.recipe.schema import Lora
from whet.types import Batch, Segment

VOCABULARY = 61
WINDOW = 6
SHAPE = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = SHAPE | {"num_key_value_heads": 2}
GEMMA = GROUPED | {"head_dim": 8, "sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
CONFIGS: dict[str, dict[str, Any]] = {
    "Llama": GROUPED | {"tie_word_embeddings": True},
    "Qwen2": GROUPED,
    "Qwen3": GROUPED | {"head_dim": 8},
    "Mistral": GROUPED | {"sliding_window": WINDOW},
    "Gemma2": GEMMA | {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0, "query_pre_attn_scalar": 8},
    "Gemma3": GEMMA | {"query_pre_attn_scalar": 8},
    "Phi3": GROUPED,
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "GPTNeoX": SHAPE,
    "Olmo2": GROUPED,
    "Mixtral": GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None},
    "Cohere": GROUPED | {"logit_scale": 0.25},
    "Granite": GROUPED | {"logits_scaling": 4.0, "attention_multiplier": 0.2},
}
"""Classes are named <key>Config and <key>ForCausalLM, but for Gemma3 (text)."""


def config_of(name: str, **changes: Any) -> Any:
    kind = {"Gemma3": "Gemma3TextConfig"}.get(name, f"{name}Config")
    shape = {"vocab_size": VOCABULARY, "max_position_embeddings": 64, "pad_token_id": None} | CONFIGS[name]
    if name == "GPT2":
        shape.pop("max_position_embeddings")
    return getattr(transformers, kind)(**shape | {"bos_token_id": 1, "eos_token_id": 2} | changes)


def tiny(name: str, seed: int = 0, **changes: Any) -> Any:
    """A random model, in evaluation mode, with weights large enough that attention is far from uniform."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config_of(name, **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
            else:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def adapted(moved: bool) -> Any:
    """A tiny Llama with an adapter that reads forests; `moved`: not where an adapter begins, which is the base."""
    model = add_adapter(tiny("Llama"), Lora(rank=4, alpha=8.0), seed=0)
    install_forest(model)
    if moved:
        random = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(0, 0.1, generator=random)
    return model


def segments_of(*shapes: tuple[int, int | None], seed: int = 0) -> list[Segment]:
    """Random segments of the given (length, parent), everything supervised that can be, with unequal weights."""
    random = torch.Generator().manual_seed(seed)
    made = []
    for row, (length, parent) in enumerate(shapes):
        ids = torch.randint(3, VOCABULARY, (length,), generator=random).tolist()
        weights = (torch.rand(length, generator=random) + 0.5).tolist()
        if parent is None:
            weights[0] = 0.0
        made.append(Segment(ids, weights, row, parent))
    return made


def roots(*lengths: int, seed: int = 0) -> Batch:
    return build_batch(segments_of(*((length, None) for length in lengths), seed=seed))


def grove(seed: int = 0) -> Batch:
    """Three trees: a prompt with two answers and two grandchildren, a lone root, and a pair."""
    shape = ((9, None), (4, 0), (7, 0), (5, 2), (3, 2), (13, None), (6, None), (2, 6), (8, 6))
    return build_batch(segments_of(*shape, seed=seed))


def loss_and_gradients(logprobs_N: torch.Tensor, batch: Batch, model: Any) -> tuple[float, dict[str, torch.Tensor]]:
    """Weighted NLL and the gradients of everything trainable; leaves none behind."""
    loss = -(logprobs_N * batch.weight_N).sum() / batch.weight
    loss.backward()
    gradients = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"no gradient reaches {name}"
            gradients[name] = parameter.grad.detach().clone()
            parameter.grad = None
    return loss.item(), gradients


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token a number: `7 12 3`."""
    vocabulary = {"<s>": 1, "</s>": 2, "<unk>": 0} | {str(number): number for number in range(3, VOCABULARY)}
    core = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
