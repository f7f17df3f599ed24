"""A model that can be read: hidden states over a batch, and the log-probabilities of its supervised tokens.

`Policy` is what methods, evaluation and the self-check hold. The forest path reads a whole batch at once; the
plain path reads one example a row, right-padded, through the architecture's own attention, and is the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from whet.data.batches.shared_prefixes import fold
from whet.errors import count
from whet.model.adapter import causal_lm, trunk_of
from whet.model.attention.forest import forest, layout_of
from whet.model.attention.padded import pad_rows, plain_rows
from whet.model.fused.install import recompute
from whet.model.logits.logprob import Head, chunks, token_logprobs
from whet.pulse import beat
from whet.types import Batch

FULL_LOGITS = 16 * 1024 * 1024
"""Most logits of the reference that are alive at once; a chunk of them is half as many on a processor."""
SCALES = {"logit_scale": 1, "logits_scaling": -1, "lm_head_multiplier": 1, "logits_mup_width_multiplier": -1}
"""Keys of a config that logits are multiplied (1) or divided (-1) by."""
MULTIPLIED, UNSCALED = {"hyperclovax"}, {"mpt"}
"""Architectures that multiply by logits_scaling; whose logit_scale transformers does not read."""
CAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
"""Keys of a config for a soft cap on logits (Gemma 2, RecurrentGemma, xLSTM)."""


@dataclass(slots=True)
class Policy:
    """`model` is a transformers causal language model, with adapters injected or not. Batches may lie anywhere."""

    model: Any
    use_forest: bool = True
    flat: bool = False
    """Within the forest: FlexAttention on T itself (GPUs)."""

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def trunk(self) -> nn.Module:
        return trunk_of(self.model)

    @property
    def head(self) -> Head:
        inner = causal_lm(self.model)
        layer = inner.get_output_embeddings()
        config = inner.config.get_text_config()
        softcap = next((value for name in CAPS if (value := getattr(config, name, None))), None)
        return Head(layer.weight, getattr(layer, "bias", None), logit_scale(config), softcap)

    def trainable(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def compile_layers(self) -> None:
        """torch.compile each decoder layer: costs some 20 s once, gains in runs of many minutes."""
        for layer in self.trunk.layers:  # type: ignore[union-attr]
            layer.compile()

    def recompute_layers(self) -> None:
        """Keep only the input of each layer for the backward pass and run the layer again: less memory, more time."""
        recompute(self.trunk)

    def hidden(self, batch: Batch) -> Tensor:
        """Hidden states of the supervised positions, shape (N, D), on the model's device."""
        beat(f"reading {count(len(batch.ids_T), 'token')}")
        if self.use_forest:
            return self._forest_hidden(to_device(fold(batch), self.device))
        return self._plain_hidden(to_device(batch, self.device))

    def logprobs(self, batch: Batch) -> Tensor:
        """log p of each supervised token given its path, float32, shape (N,), where the batch's weights lie."""
        logprobs_N = token_logprobs(self.hidden(batch), self.head, batch.target_N.to(self.device))
        return logprobs_N.to(batch.weight_N.device)

    def _forest_hidden(self, batch: Batch) -> Tensor:
        layout = layout_of(batch, self.flat)
        ids_T, positions_T = (torch.nn.functional.pad(x, (0, layout.added)) for x in (batch.ids_T, batch.positions_T))
        with forest(layout):
            out = self.trunk(input_ids=ids_T[None], position_ids=positions_T[None], use_cache=False)
        return out.last_hidden_state[0].index_select(0, batch.source_N)

    def _plain_hidden(self, batch: Batch) -> Tensor:
        rows, slot_T = plain_rows(batch)
        ids_RL, mask_RL = pad_rows(rows, batch.ids_T)
        out = self.trunk(input_ids=ids_RL, attention_mask=mask_RL, use_cache=False)
        return out.last_hidden_state.flatten(0, 1).index_select(0, slot_T[batch.source_N])


def logit_scale(config: Any) -> float:
    """What an architecture multiplies its logits by: each has its own word for it (Cohere, Granite, Falcon H1, Inkling;
    HyperCLOVA X multiplies by what Granite divides by). That none is missed is proved by
    whet/model/architecture_proof.py."""
    scale = 1.0
    if config.model_type in UNSCALED:
        return scale

    for name, power in SCALES.items():
        value = float(getattr(config, name, None) or 1.0)
        turned = name == "logits_scaling" and config.model_type in MULTIPLIED
        scale *= value if power > 0 or turned else 1 / value

    return scale


@contextmanager
def training(model: Any, state: bool = True) -> Iterator[None]:
    """Within this block the model is in the state of training, with its dropout; or, with False, in that of use."""
    before = model.training
    model.train(state)
    try:
        yield
    finally:
        model.train(before)


def evaluating(model: Any) -> AbstractContextManager[None]:
    """Within this block there is no dropout, whatever state the caller left the model in."""
    return training(model, False)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with what a forward pass reads on `device`."""
    if batch.ids_T.device == device:
        return batch
    return replace(
        batch,
        ids_T=batch.ids_T.to(device),
        positions_T=batch.positions_T.to(device),
        source_N=batch.source_N.to(device),
        target_N=batch.target_N.to(device),
    )


def reference_logprobs(model: Any, batch: Batch) -> Tensor:
    """The independent reference: the model's own forward with full logits, one padded row a path; shape (N,).

    Where these would be more than FULL_LOGITS, its own trunk, and its output layer with torch's log-softmax over a
    chunk at a time, made again in the backward pass: two long rows of a large vocabulary would take gigabytes. That
    trunk and output layer give the model's own logits was proved when it was loaded (whet/model/architecture_proof.py).
    """
    there = to_device(batch, next(model.parameters()).device)
    rows, slot_T = plain_rows(there)
    ids_RL, mask_RL = pad_rows(rows, there.ids_T)
    source_N = slot_T[there.source_N]

    if ids_RL.numel() * model.get_output_embeddings().weight.shape[0] <= FULL_LOGITS:
        logits = model(input_ids=ids_RL, attention_mask=mask_RL, use_cache=False).logits.flatten(0, 1)
        logprobs_N = _chosen(logits.index_select(0, source_N), there.target_N)
    else:
        out = trunk_of(model)(input_ids=ids_RL, attention_mask=mask_RL, use_cache=False)
        hidden_ND = out.last_hidden_state.flatten(0, 1).index_select(0, source_N)
        logprobs_N = _chunk_by_chunk(hidden_ND, Policy(model).head, there.target_N)

    return logprobs_N.to(batch.weight_N.device)


def _chunk_by_chunk(hidden_ND: Tensor, head: Head, target_N: Tensor) -> Tensor:
    """Nothing in place: what is made again in a backward pass would be read as it was changed to."""

    def read(hidden_CD: Tensor, target_C: Tensor) -> Tensor:
        logits_CV = torch.nn.functional.linear(hidden_CD, head.weight_VD, head.bias_V).float()
        if head.scale != 1.0:
            logits_CV = logits_CV * head.scale
        if head.softcap:
            logits_CV = head.softcap * torch.tanh(logits_CV / head.softcap)
        return _chosen(logits_CV, target_C)

    parts = [checkpoint(read, hidden_ND[at], target_N[at], use_reentrant=False) for at in chunks(len(hidden_ND), head)]
    return torch.cat(parts)


def _chosen(logits_NV: Tensor, target_N: Tensor) -> Tensor:
    return logits_NV.float().log_softmax(-1).gather(1, target_N[:, None]).squeeze(1)
