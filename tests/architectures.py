"""A tiny random model of every causal architecture that transformers knows, and what Whet makes of it.

    python -m tests.architectures    # writes docs/running/architectures.md anew

A config is the architecture's own defaults with every size cut down: names of sizes mean the same in nearly all of
them. Where they do not, `OWN` says what else.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from tests.tiny_models import segments_of
from whet.data.batches.forest import build_batch
from whet.errors import WhetError
from whet.losses.next_token import sft_loss
from whet.model.adapter import add_adapter, causal_lm
from whet.model.architecture_proof import install_forest, prove_head
from whet.model.policy import Policy, evaluating, reference_logprobs
from whet.recipe.schema import Lora, Recipe
from whet.training.optimizers.master_weights import MasterOptimizer
from whet.training.self_check import self_check

SIZES: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 32, "n_embd": 32, "d_model": 32, "dim": 32, "emb_dim": 32, "embedding_size": 32,
    "word_embed_proj_dim": 32, "n_inner": 40, "intermediate_size": 40, "ffn_dim": 40, "d_inner": 40, "d_ff": 40,
    "dff": 40, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "moe_intermediate_size": 24,
    "shared_intermediate_size": 24,
    "shared_expert_intermediate_size": 24, "ffn_hidden_size": 40, "expert_ffn_hidden_size": 24,
    "num_hidden_layers": 2, "num_layers": 2, "n_layer": 2, "n_layers": 2, "encoder_layers": 2, "decoder_layers": 2,
    "num_encoder_layers": 2, "num_decoder_layers": 2, "num_blocks": 2,
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "num_encoder_attention_heads": 4, "num_decoder_attention_heads": 4, "num_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8, "v_head_dim": 8, "rotary_dim": 8,
    "num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4, "moe_num_experts": 4, "num_experts_per_tok": 2,
    "num_experts_per_token": 2, "moe_topk": 2, "moe_k": 2, "n_group": 1, "topk_group": 1, "n_shared_experts": 1,
    "max_position_embeddings": 64, "n_positions": 64, "n_ctx": 64, "max_seq_len": 64,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sliding_window": 6,
    "mamba_d_state": 8, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_ssm": 64,
    "mamba_expand": 2, "state_size": 8, "conv_kernel": 4, "time_step_rank": 4, "expand": 2, "n_groups": 1,
    "mamba_num_heads": 8,
    "mamba_head_dim": 8, "chunk_size": 8, "mamba_chunk_size": 8, "ssm_state_size": 8,
    "logits_scaling": 4.0, "lm_head_multiplier": 2.0, "logit_scale": 0.25,
    "logits_mup_width_multiplier": 2.0, "attention_multiplier": 0.2, "embedding_multiplier": 2.0,
    "residual_multiplier": 0.5, "attn_logit_softcapping": 5.0,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
}  # fmt: skip
SPARSE = ["sliding_attention", "full_attention"]
LATENT = {"num_key_value_heads": 4}
"""Attention over a latent: as many heads of keys as of queries."""
OWN: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        (
            "axk1",
            "axk2",
            "deepseek_v2",
            "deepseek_v3",
            "deepseek_v32",
            "glm4_moe_lite",
            "glm_moe_dsa",
            "longcat_flash",
            "minicpm3",
            "youtu",
        ),
        LATENT,
    ),
    "cohere_compass_text": {
        "layer_types": SPARSE,
        "rope_parameters": {kind: {"rope_type": "default", "rope_theta": 1e4} for kind in SPARSE},
    },
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8.0},
        "ffn_config": {"hidden_size": 32, "ffn_hidden_size": 40, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "dots3_note_text": LATENT,
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "layer_types": 2 * SPARSE,
        "vocab_size_per_layer_input": 61,
        "hidden_size_per_layer_input": 8,
        "activation_sparsity_pattern": [0.0] * 4,
        "intermediate_size": [40] * 4,
    },
    "gemma4_text": {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 61},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "lfm2_moe": {"layer_types": ["full_attention", "conv"]},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "reformer": {"is_decoder": True, "axial_pos_embds_dim": [16, 16], "axial_pos_shape": [8, 8]},
    "roc_bert": {"pronunciation_vocab_size": 61, "shape_vocab_size": 61},
    "zamba": {"num_hidden_layers": 3, "layer_types": ["linear_attention", "hybrid", "hybrid"]},
    "zamba2": {
        "num_hidden_layers": 3,
        "layer_types": ["linear_attention", "hybrid", "hybrid"],
        "hybrid_layer_ids": [1, 2],
        "num_mem_blocks": 1,
    },
    "zaya": {"num_experts_per_tok": 1},
}
"""What an architecture needs beside the sizes: values that must agree with each other."""


NO_SMALL_ONE = {
    "blt": "its patcher is fixed in size by its default config",
    "dots3_note": "its default config names layers that a small one does not have",
    "fuyu": "its text part is fixed in size by its default config",
    "gemma3n": "its vision part needs timm and pillow; its text part is gemma3n_text",
    "gemma4_assistant": "a draft for another model, whose cache it reads",
    "gemma4_unified_assistant": "a draft for another model, whose cache it reads",
    "got_ocr2": "its vision part is fixed in size by its default config",
    "moss_transcribe_diarize": "its audio part is fixed in size by its default config",
    "musicgen": "transformers builds it with its audio parts only",
    "musicgen_melody": "transformers builds it with its audio parts only",
}
"""Not tried, and why."""
PAGE = Path(__file__).parents[1] / "docs" / "running" / "architectures.md"


def kinds() -> list[str]:
    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def small_config(kind: str) -> Any:
    return _small(CONFIG_MAPPING[kind], OWN.get(kind, {}))


def _small(known: Any, own: dict[str, Any]) -> Any:
    """A config of this class, and those within it, with every size cut down."""
    names = {field.name for field in dataclasses.fields(known)} | set(getattr(known, "attribute_map", {}))
    sizes = {name: value for name, value in SIZES.items() if name in names}
    inside = {
        name: _small(part, OWN.get(kind, {}))
        for name, part in (getattr(known, "sub_configs", None) or {}).items()
        if name not in own and dataclasses.is_dataclass(part) and (kind := getattr(part, "model_type", ""))
    }
    return known(**sizes | inside | own)


def small_model(kind: str, seed: int = 0) -> Any:
    """In evaluation mode, with weights large enough that attention is far from uniform."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(small_config(kind)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    return model


@dataclass(frozen=True)
class Outcome:
    """What becomes of an architecture: the path that it is trained on, or None where it is refused; and why."""

    path: str | None
    why: str

    @property
    def line(self) -> str:
        """Without figures, which differ between machines."""
        said = "" if self.path in ("fused", "forest", "flex") else re.sub(r" ?\([^()]*%[^()]*\)", "", self.why)
        return f"{self.path or 'refused'} | {said}"


def outcome(kind: str, targets: str | list[str] = "all-linear") -> Outcome:
    """What a tune would make of it: two checked steps of a small adapter, or the sentence that refuses it."""
    try:
        return trained(small_model(kind), kind, targets)
    except WhetError as error:
        return Outcome(None, error.what)


def trained(model: Any, kind: str, targets: str | list[str]) -> Outcome:
    """Raises WhetError where Whet refuses it; AssertionError where it learns nothing, or where what it has learned is
    not what the architecture's own forward pass gives."""
    prove_head(model, kind)
    install_forest(model)
    adapter = Lora.model_validate({"rank": 4, "alpha": 8.0, "targets": targets})
    policy = Policy(add_adapter(model, adapter, seed=0))
    batch = build_batch(segments_of((9, None), (4, 0), (5, 0), (7, None), (12, None)))
    check = self_check(policy, batch, "auto")
    recipe = Recipe.model_validate({"data": "none.jsonl"})
    optimizer = MasterOptimizer(policy.trainable(), recipe.optimizer, 1e-2, 2, recipe.schedule)
    before = {name: parameter.detach().clone() for name, parameter in policy.trainable().items()}
    policy.model.train()
    for step in range(2):
        loss = sft_loss(policy.logprobs(batch), batch.weight_N).total / batch.weight
        loss.backward()
        optimizer.step(step)
    assert any(not parameter.equal(before[name]) for name, parameter in policy.trainable().items()), kind
    with evaluating(policy.model), torch.no_grad():
        ours_N, own_N = policy.logprobs(batch), reference_logprobs(causal_lm(policy.model), batch)
    torch.testing.assert_close(ours_N, own_N, rtol=1e-3, atol=1e-3, msg=lambda text: f"{kind}: {text}")
    return Outcome(check.path, check.reason)


def table() -> dict[str, str]:
    """The lines of the page, by architecture."""
    found = {}
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("| `") and not line.startswith("| `model_type`"):
            name, path, why = line.removeprefix("| ").removesuffix(" |").split(" | ", 2)
            found[name.strip("`")] = f"{path} | {why}".strip()
    return found


def page() -> str:
    """docs/running/architectures.md"""
    found = {}
    for kind in kinds():
        line = f"not tried | {NO_SMALL_ONE[kind]}" if kind in NO_SMALL_ONE else outcome(kind).line
        found[kind] = line
        print(f"{kind}: {found[kind]}", file=sys.stderr)
    trains = sum(not line.startswith(("refused", "not tried")) for line in found.values())
    fast = sum(line.startswith(("fused", "forest")) for line in found.values())
    refused = sum(line.startswith("refused") for line in found.values())
    head = HEAD.format(
        all=len(found), version=transformers.__version__, trains=trains, fast=fast, refused=refused,
        left=len(NO_SMALL_ONE),
    )  # fmt: skip
    return head + "".join(f"| `{kind}` | {line} |\n" for kind, line in found.items())


HEAD = """# Architectures

What Whet makes of each of the {all} causal language models that transformers {version} knows, tried on a small random
model of it: the proofs that every base passes, then two steps of an adapter on all linear layers, then the result
against the architecture's own forward pass. {trains} train ({fast} of them on a fast path), {refused} are refused with
a sentence, {left} were not tried. A table of names decides nothing: a base is read as it proves to be.

| path | |
| --- | --- |
| fused | Whet's own layers on a processor; on a GPU the next one |
| forest | packed rows with shared prompts read once |
| plain | one padded row a path, through the architecture's own attention: right, and slower |
| refused | no tune; the sentence is what you are told |

A refusal of *PEFT cannot adapt* is of `adapter.targets: all-linear` alone: the message names layers that can be
adapted, and those train.

Written by `python -m tests.architectures`, and held by `tests/model/test_architectures.py`.

| `model_type` | path | why |
| --- | --- | --- |
"""

if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    PAGE.write_text(page(), "utf-8")
