"""A model that can be read: hidden states over a batch, and the log-probabilities of its supervised tokens.

`Policy` is what methods, evaluation and the self-check hold. The forest path reads a whole batch at once; the
plain path reads one example a row, right-padded, through the architecture's own attention, and is the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from whet.data.shared import fold
from whet.errors import count
from whet.model.adapter import causal_lm
from whet.model.attention import forest, layout_of
from whet.model.fused.install import recompute
from whet.model.logprob import Head, token_logprobs
from whet.model.plain import pad_rows, plain_rows
from whet.pulse import beat
from whet.types import Batch


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
        return causal_lm(self.model).base_model

    @property
    def head(self) -> Head:
        inner = causal_lm(self.model)
        layer = inner.get_output_embeddings()
        config = inner.config.get_text_config()
        scale = (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
        softcap = getattr(config, "final_logit_softcapping", None)
        return Head(layer.weight, getattr(layer, "bias", None), float(scale), softcap)

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
            return self._forest_hidden(placed(fold(batch), self.device))
        return self._plain_hidden(placed(batch, self.device))

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


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Within this block there is no dropout, whatever state the caller left the model in."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def placed(batch: Batch, device: torch.device) -> Batch:
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
    """The independent reference: the model's own forward with full logits, one padded row a path; shape (N,)."""
    there = placed(batch, next(model.parameters()).device)
    rows, slot_T = plain_rows(there)
    ids_RL, mask_RL = pad_rows(rows, there.ids_T)
    logits = model(input_ids=ids_RL, attention_mask=mask_RL, use_cache=False).logits.flatten(0, 1)
    logprobs_NV = logits.index_select(0, slot_T[there.source_N]).float().log_softmax(-1)
    return logprobs_NV.gather(1, there.target_N[:, None]).squeeze(1).to(batch.weight_N.device)
