"""A linear head on hidden states: one score for a reward or a value model, K for a classifier.

The head hangs on the model as `score`, without a bias, as transformers' sequence classifiers have it, and is read in at
least float32. A text is scored at its last token; of a row that is learned from, at the last supervised token, which is
the one that ends the answer. Legend: T tokens of a batch, N supervised ones, L leaves (ends of paths), K outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from whet.model.adapter import HEAD, causal_lm, trunk_of
from whet.model.attention.padded import pad_rows, plain_rows
from whet.model.logits.logprob import accumulation_dtype
from whet.model.policy import Policy, to_device
from whet.types import Batch


def add_head(model: Any, outputs: int) -> nn.Linear:
    """Hang a trainable head of zeros on a language model, which goes on to write words as before.

    Call it after the adapter was added, or it would get one. Zeros: every score, and every value, begins at exactly 0.
    """
    inner = causal_lm(model)
    first = next(inner.parameters())
    weight_KD = torch.zeros(outputs, inner.config.get_text_config().hidden_size, dtype=first.dtype, device=first.device)
    head = nn.Linear(weight_KD.shape[1], outputs, bias=False, device="meta")
    head.weight = nn.Parameter(weight_KD)
    setattr(inner, HEAD, head)

    return head


def freeze_output_layer(model: Any) -> None:
    """Stop training the output layer of a model that only gives scores; one that is the embedding, too, goes on."""
    inner = causal_lm(model)
    words = inner.get_output_embeddings().weight
    if words is not inner.get_input_embeddings().weight:
        words.requires_grad_(False)


def leaves_of(batch: Batch) -> list[int]:
    """The segments that nothing follows, in order: the answers of a pair, or the only segment of a text."""
    parents = set(batch.parents)
    return [number for number in range(len(batch.parents)) if number not in parents]


def last_tokens(batch: Batch) -> Tensor:
    """Where each leaf is scored, as an index into T, shape (L,): its last supervised token, else its last token."""
    end_S = [start + length - 1 for start, length in zip(batch.starts, batch.lengths, strict=True)]
    for source, segment in zip(batch.source_N.tolist(), batch.segment_N.tolist(), strict=True):
        end_S[segment] = max(source + 1, batch.starts[segment])  # the first token of a child is its parent's to predict
    return torch.tensor([end_S[leaf] for leaf in leaves_of(batch)], dtype=torch.long)


def select_last_tokens(batch: Batch) -> Batch:
    """The same forest, to be read at the end of each leaf."""
    end_L = last_tokens(batch)
    return replace(
        batch,
        source_N=end_L,
        target_N=batch.ids_T[end_L.to(batch.ids_T.device)],
        weight_N=torch.ones(len(end_L)),
        segment_N=torch.tensor(leaves_of(batch), dtype=torch.long),
    )


@dataclass(slots=True)
class Scorer:
    """A policy with a head. Batches may lie anywhere; what comes back lies where their weights do."""

    policy: Policy

    @property
    def head(self) -> nn.Linear:
        return getattr(causal_lm(self.policy.model), HEAD)

    def scores(self, batch: Batch) -> Tensor:
        """The head at the end of each leaf, in the order of `leaves_of`, shape (L, K)."""
        return self._read(select_last_tokens(batch))

    def hidden(self, batch: Batch) -> Tensor:
        """What the head reads at the end of each leaf, in the order of `leaves_of`, shape (L, D)."""
        return self.policy.hidden(select_last_tokens(batch))

    def values(self, batch: Batch) -> Tensor:
        """The head at each supervised token's place of prediction, shape (N, K): what a value model expects of the
        answer before that token is written."""
        return self._read(batch)

    def _read(self, batch: Batch) -> Tensor:
        return apply_head(self.policy.hidden(batch), self.head).to(batch.weight_N.device)


def apply_head(hidden_ND: Tensor, head: nn.Linear) -> Tensor:
    """hidden @ weight.T in at least float32, shape (N, K)."""
    dtype = accumulation_dtype(hidden_ND.dtype)
    return nn.functional.linear(hidden_ND.to(dtype), head.weight.to(dtype))


def reference_scores(model: Any, batch: Batch) -> Tensor:
    """The independent reference: transformers' own trunk over one padded row a path, shape (L, K), scored one token
    after the last that predicts something of the leaf, or else at the row's end."""
    there = to_device(batch, next(model.parameters()).device)
    rows, _ = plain_rows(there)
    ids_RL, mask_RL = pad_rows(rows, there.ids_T)
    hidden_RLD = trunk_of(model)(input_ids=ids_RL, attention_mask=mask_RL, use_cache=False).last_hidden_state

    ended = []
    for number, leaf in enumerate(leaves_of(batch)):
        predicts = batch.positions_T[batch.source_N[batch.segment_N == leaf]]
        ended.append(hidden_RLD[number, int(predicts.max()) + 1 if len(predicts) else len(rows[number]) - 1])

    ended_RD = torch.stack(ended)
    return apply_head(ended_RD, getattr(model, HEAD)).to(batch.weight_N.device)
