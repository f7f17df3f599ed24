"""A model that can be read: hidden states over a batch, and the log-probabilities of its supervised tokens.

`Policy` is what methods, evaluation and the self-check hold. The forest path reads a whole batch at once; the
plain path reads one example a row, right-padded, through the architecture's own attention, and is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from whet.model.adapter import causal_lm
from whet.model.attention import FOREST, forest, layout_of
from whet.model.logprob import Head, token_logprobs
from whet.types import Batch


@dataclass(slots=True)
class Policy:
    """`model` is a transformers causal language model, with adapters injected or not."""

    model: Any
    use_forest: bool = True

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def trunk(self) -> nn.Module:
        return causal_lm(self.model).base_model

    @property
    def head(self) -> Head:
        inner = causal_lm(self.model)
        layer = inner.get_output_embeddings()
        config = inner.config.get_text_config()
        scale = float(getattr(config, "logit_scale", None) or 1.0) / float(getattr(config, "logits_scaling", 1.0) or 1.0)
        return Head(layer.weight, getattr(layer, "bias", None), scale, getattr(config, "final_logit_softcapping", None))

    def trainable(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def compile_layers(self) -> None:
        """torch.compile each decoder layer: costs some 20 s once, gains in runs of many minutes."""
        for layer in self.trunk.layers:  # type: ignore[union-attr]
            layer.compile()

    def hidden(self, batch: Batch) -> Tensor:
        """Hidden states of the supervised positions, shape (N, D)."""
        return self._forest_hidden(batch) if self.use_forest else self._plain_hidden(batch)

    def logprobs(self, batch: Batch) -> Tensor:
        """log p of each supervised token given its path, float32, shape (N,)."""
        return token_logprobs(self.hidden(batch), self.head, batch.target_N)

    def _forest_hidden(self, batch: Batch) -> Tensor:
        with forest(layout_of(batch)):
            out = self.trunk(input_ids=batch.ids_T[None], position_ids=batch.positions_T[None], use_cache=False)
        return out.last_hidden_state[0].index_select(0, batch.source_N)

    def _plain_hidden(self, batch: Batch) -> Tensor:
        rows, slot_T = plain_rows(batch)
        ids_RL, mask_RL = pad_rows(rows, batch.ids_T)
        out = self.trunk(input_ids=ids_RL, attention_mask=mask_RL, use_cache=False)
        return out.last_hidden_state.flatten(0, 1).index_select(0, slot_T[batch.source_N])


def plain_rows(batch: Batch) -> tuple[list[Tensor], Tensor]:
    """Every root-to-leaf path as a row of indices into T, and for each token of T its slot in the padded rows."""
    parents = batch.parents
    leaves = set(range(len(parents))) - {p for p in parents if p is not None}
    rows = []
    for leaf in sorted(leaves):
        path, at = [], leaf
        while at is not None:
            path.append(torch.arange(batch.starts[at], batch.starts[at] + batch.lengths[at]))
            at = parents[at]
        rows.append(torch.cat(path[::-1]))
    longest = max(len(row) for row in rows)
    slot_T = torch.empty(batch.ids_T.shape[0], dtype=torch.long)
    for index, row in enumerate(rows):
        slot_T[row] = torch.arange(len(row)) + index * longest
    device = batch.ids_T.device
    return [row.to(device) for row in rows], slot_T.to(device)


def pad_rows(rows: list[Tensor], ids_T: Tensor) -> tuple[Tensor, Tensor]:
    """Right-padded ids (R, L) and attention mask. Padding is masked by position, so its id does not matter."""
    ids_RL = pad_sequence([ids_T[row] for row in rows], batch_first=True, padding_value=0)
    mask_RL = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True, padding_value=0)
    return ids_RL, mask_RL


def reference_logprobs(model: Any, batch: Batch) -> Tensor:
    """The independent reference: the model's own forward with full logits, one padded row a path; shape (N,)."""
    rows, slot_T = plain_rows(batch)
    ids_RL, mask_RL = pad_rows(rows, batch.ids_T)
    logits = model(input_ids=ids_RL, attention_mask=mask_RL, use_cache=False).logits.flatten(0, 1)
    logprobs_NV = logits.index_select(0, slot_T[batch.source_N]).float().log_softmax(-1)
    return logprobs_NV.gather(1, batch.target_N[:, None]).squeeze(1)


def forest_refusal(model: Any) -> str | None:
    """Why this architecture takes the plain path, or None when the forest carries it."""
    config = model.config.get_text_config()
    if not getattr(model, "_supports_attention_backend", False):
        return f"{config.model_type} has its own attention that transformers' attention registry does not reach"
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    unknown = kinds - {"full_attention", "sliding_attention"}
    if unknown:
        return f"{config.model_type} has layers that read their whole line in order ({', '.join(sorted(unknown))})"
    if any(name.endswith("sinks") for name, _ in model.named_parameters()):
        return f"{config.model_type} has attention sinks"
    return None


def install_forest(model: Any) -> None:
    """Point the model's attention at the forest (which is plain SDPA while no forest is active)."""
    model.set_attn_implementation(FOREST)
