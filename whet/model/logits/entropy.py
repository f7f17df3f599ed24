"""Entropy of the next token, from the same hidden states as its log-probability; logits exist chunk by chunk only.

Shapes: N positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from whet.model.logits.logprob import Head, accumulation_dtype, chunks


def token_entropy(hidden_ND: Tensor, head: Head) -> Tensor:
    """-sum p log p in nats at each position, shape (N,), float32; differentiable. Chunks are computed again in
    backward."""
    parts = [checkpoint(_entropy, hidden_ND[rows], head, use_reentrant=False) for rows in chunks(len(hidden_ND), head)]
    if parts:
        return torch.cat(parts)
    return hidden_ND.new_zeros(0)


def _entropy(hidden_CD: Tensor, head: Head) -> Tensor:
    logits_CV = (
        functional.linear(hidden_CD, head.weight_VD, head.bias_V).to(accumulation_dtype(hidden_CD.dtype)) * head.scale
    )
    if head.softcap:  # not in place, as Head.logits has it: the backward pass needs what was there
        logits_CV = head.softcap * (logits_CV / head.softcap).tanh()
    logprob_CV = logits_CV.log_softmax(-1)
    return -(logprob_CV.exp() * logprob_CV).sum(-1)
