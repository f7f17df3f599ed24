"""The value head of ppo: what reward is expected before each token. It hangs on the model while that trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from whet.model.adapter import HEAD, causal_lm, is_adapted, without_adapter
from whet.model.heads.linear import add_head, apply_head
from whet.model.policy import Policy
from whet.types import Batch


@dataclass(slots=True)
class ValueHead:
    """`frozen` reads the base's hidden states, which stay as they are; `shared` those of the policy."""

    policy: Policy
    kind: Literal["shared", "frozen"]

    @property
    def head(self) -> nn.Linear:
        return getattr(causal_lm(self.policy.model), HEAD)

    def values(self, hidden_ND: Tensor, batch: Batch) -> Tensor:
        """Of each supervised token (N,); `hidden_ND` are the policy's own hidden states of the batch."""
        if self.kind == "frozen":
            with torch.no_grad(), self._base():
                hidden_ND = self.policy.hidden(batch)
        return apply_head(hidden_ND, self.head)[:, 0].to(batch.weight_N.device)

    @contextmanager
    def _base(self) -> Iterator[None]:
        with without_adapter(self.policy.model) if is_adapted(self.policy.model) else nullcontext():
            yield


def add_value_head(policy: Policy) -> None:
    """Hang a value head of zeros on the model. Its words go on being trained as before."""
    trained = {name: p.requires_grad for name, p in policy.model.named_parameters()}
    add_head(policy.model, 1)
    for name, parameter in policy.model.named_parameters():
        parameter.requires_grad_(trained.get(name, True))


def remove_value_head(policy: Policy) -> None:
    """What is saved writes words, and has no use for a value."""
    delattr(causal_lm(policy.model), HEAD)
