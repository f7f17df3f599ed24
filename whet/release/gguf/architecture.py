"""The keys of a GGUF file that describe the model, made of transformers' config.

llama.cpp knows some things of an architecture by itself: which layers of Gemma look back over a window only, how
queries are scaled. A model that differs there would be another model in llama.cpp, and nobody would be told: it is
refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whet.errors import ModelError
from whet.model.gguf.architecture import llama3_factors
from whet.model.gguf.families import ARCHITECTURES, refused_family

ACTIVATIONS = {"gemma": "gelu_pytorch_tanh", "gemma2": "gelu_pytorch_tanh", "gemma3": "gelu_pytorch_tanh"}
"""What llama.cpp computes between the matrices of these; of all others `silu`."""
WINDOW_PERIOD = {"gemma2": 2, "gemma3": 6}
"""Every so many layers one looks back over everything, the others over the window."""
OLD_SCALE = {("gemma2", 46), ("gemma3", 62)}
"""By their layers, the models of 27B: their queries are scaled by the width of the model, not of a head."""
IDS = {"bos_token_id": "bos_token_id", "eos_token_id": "eos_token_id", "pad_token_id": "padding_token_id"}
USE_MERGED = "use --to merged, which every server of transformers' models reads"


@dataclass(frozen=True, slots=True)
class Described:
    """What a file says about a model before its weights."""

    architecture: str
    config: dict[str, Any]
    """transformers', with head_dim and num_key_value_heads written out."""
    keys: dict[str, Any]
    """Under the architecture's name: whole numbers, floats, texts."""
    factors: dict[str, list[float]] = field(default_factory=dict)
    """Tensors that a config becomes: by what the frequencies of positions are divided."""
    notes: list[str] = field(default_factory=list)


def architecture_of(config: dict[str, Any], where: Path | str) -> str:
    """Raises ModelError for a family that is not written."""
    kind = config.get("model_type")
    if what := refused_family(kind):
        raise ModelError(what, where=str(where), fix=USE_MERGED)
    return ARCHITECTURES[str(kind)]


def described(folder: Path) -> Described:
    """Raises ModelError for a family, or a setting of one, that llama.cpp computes in another way."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True).to_dict()
    architecture = architecture_of(config, folder)
    config["head_dim"] = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    config["num_key_value_heads"] = config.get("num_key_value_heads") or config["num_attention_heads"]
    config["rms_norm_eps"] = config.get("rms_norm_eps", 1e-6)

    return _Config(folder, architecture, config).described()


class _Config:
    """One config on its way; each method gives the keys of one matter."""

    def __init__(self, folder: Path, architecture: str, config: dict[str, Any]) -> None:
        self.folder, self.architecture, self.config = folder, architecture, config
        self.factors: dict[str, list[float]] = {}
        self.notes: list[str] = []

    def described(self) -> Described:
        self.refuse_other_activation()
        keys = self.sizes() | self.window() | self.caps() | self.positions()
        self.refuse_other_scale()
        return Described(self.architecture, self.config, keys, self.factors, self.notes)

    def sizes(self) -> dict[str, Any]:
        config = self.config
        return {
            "context_length": config["max_position_embeddings"],
            "embedding_length": config["hidden_size"],
            "block_count": config["num_hidden_layers"],
            "feed_forward_length": config["intermediate_size"],
            "attention.head_count": config["num_attention_heads"],
            "attention.head_count_kv": config["num_key_value_heads"],
            "attention.key_length": config["head_dim"],
            "attention.value_length": config["head_dim"],
            "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
            "vocab_size": config["vocab_size"],
        }

    def window(self) -> dict[str, Any]:
        window, context = self.config.get("sliding_window"), self.config["max_position_embeddings"]
        if self.architecture in WINDOW_PERIOD:
            return self.alternating_window(window or context)
        if self.config.get("use_sliding_window", True) is False or not window or window >= context:
            return {}
        self.notes.append(
            f"its layers look back over {window:,} tokens, and in llama.cpp over all: the context is cut to {window:,} "
            "tokens, within which both are the same"
        )

        return {"context_length": window}

    def alternating_window(self, window: int) -> dict[str, Any]:
        """Which layers have a window is not stored, but known by the architecture."""
        period = WINDOW_PERIOD[self.architecture]
        wanted = ["full_attention" if (n + 1) % period == 0 else "sliding_attention" for n in range(self.layers)]
        if self.config["layer_types"] != wanted:
            raise self.refused(f"in llama.cpp every {period}th layer looks back over all tokens, here others do")
        return {"attention.sliding_window": window}

    def caps(self) -> dict[str, Any]:
        """How far scores and logits can go."""
        names = {
            "attn_logit_softcapping": "attn_logit_softcapping",
            "final_logit_softcapping": "final_logit_softcapping",
        }
        found = {key: float(self.config[name]) for name, key in names.items() if self.config.get(name)}
        if self.architecture == "gemma2" and len(found) < 2:
            raise self.refused("llama.cpp caps the scores and logits of every Gemma 2, and this one has no caps")
        if self.architecture == "gemma3" and found:
            raise self.refused("llama.cpp caps nothing in Gemma 3, and this one has caps")
        return found

    def positions(self) -> dict[str, Any]:
        """How positions turn queries and keys."""
        told = self.config["rope_parameters"]
        if "full_attention" in told:
            near, told = told["sliding_attention"], told["full_attention"]
            if near["rope_type"] != "default":
                raise self.refused("its layers with a window stretch their positions, which llama.cpp never does")
            return self.rope(told) | {"rope.freq_base_swa": float(near["rope_theta"])}
        return self.rope(told)

    def rope(self, told: dict[str, Any]) -> dict[str, Any]:
        kind, base = told["rope_type"], float(told["rope_theta"])
        size = int(self.config["head_dim"] * told.get("partial_rotary_factor", 1.0))
        if size != self.config["head_dim"] and self.architecture != "phi3":
            raise self.refused("only a part of each head turns with its position")

        keys: dict[str, Any] = {"rope.freq_base": base, "rope.dimension_count": size}
        if kind == "default":
            return keys
        if kind == "linear":
            return keys | {"rope.scaling.type": "linear", "rope.scaling.factor": float(told["factor"])}
        if kind == "llama3" and self.architecture == "llama":
            return keys | self.llama3(told, size)
        if kind == "longrope" and self.architecture == "phi3":
            return keys | self.longrope(told)

        raise self.refused(f"its positions are stretched by the rule {kind!r}, which is not written for this family")

    def llama3(self, told: dict[str, Any], size: int) -> dict[str, Any]:
        """A tensor of factors, one a frequency; no key tells of it."""
        low, high = told["low_freq_factor"], told["high_freq_factor"]
        if (low, high, told["original_max_position_embeddings"]) != (1.0, 4.0, 8192):
            raise self.refused("it stretches positions with other numbers than those of Llama 3")
        self.factors["rope_freqs.weight"] = list(llama3_factors(told["rope_theta"], size, told["factor"]))
        return {}

    def longrope(self, told: dict[str, Any]) -> dict[str, Any]:
        """Two tensors of factors; which of them holds goes by the length of the context."""
        original = told.get("original_max_position_embeddings") or self.config["original_max_position_embeddings"]
        ratio = self.config["max_position_embeddings"] / original

        strength = told.get("attention_factor")
        if strength is None:
            if ratio <= 1:
                strength = 1.0
            else:
                strength = math.sqrt(1 + math.log(ratio) / math.log(original))

        for name in ("long", "short"):
            self.factors[f"rope_factors_{name}.weight"] = [float(value) for value in told[f"{name}_factor"]]

        self.notes.append(
            f"llama.cpp takes the factors of long positions wherever the context (-c) is longer than {original:,} "
            "tokens, transformers where the conversation is: set the context to what you need"
        )

        return {"rope.scaling.original_context_length": original, "rope.scaling.attn_factor": float(strength)}

    def refuse_other_activation(self) -> None:
        config = self.config
        found = config.get("hidden_activation") or config.get("hidden_act")
        wanted = ACTIVATIONS.get(self.architecture, "silu")
        if found != wanted:
            raise self.refused(f"its activation is {found!r}, and llama.cpp computes {wanted!r} for this family")
        if self.architecture not in ("llama", "qwen2") and config.get("attention_bias"):
            raise self.refused("its attention has biases, which llama.cpp's form of this family has not")

    def refuse_other_scale(self) -> None:
        """Gemma 2 and 3 say by what queries are divided; llama.cpp knows it from the number of layers."""
        scalar = self.config.get("query_pre_attn_scalar")
        wide = self.config["hidden_size"] // self.config["num_attention_heads"]

        if (self.architecture, self.layers) in OLD_SCALE:
            wanted = wide
        else:
            wanted = self.config["head_dim"]

        if scalar is not None and scalar != wanted:
            raise self.refused(f"its queries are scaled by {scalar}, and llama.cpp takes {wanted} for this family")

    @property
    def layers(self) -> int:
        return self.config["num_hidden_layers"]

    def refused(self, what: str) -> ModelError:
        return ModelError(f"this model is not written as GGUF: {what}", where=str(self.folder), fix=USE_MERGED)
