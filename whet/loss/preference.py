"""Losses of preference pairs, from the summed log-probabilities of their answers.

Legend: P pairs, S segments, N supervised tokens. In `x_2P` row 0 is the chosen answer and row 1 the rejected one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu

from whet.recipe.schema import Dpo
from whet.types import Batch, LossOut


def answers_of(batch: Batch) -> Tensor:
    """Segment numbers of the answers, shape (2, P), in the order of the pairs' roots. Raises ValueError for a batch
    that is not made of roots with two children."""
    children: dict[int, list[int]] = {n: [] for n, parent in enumerate(batch.parents) if parent is None}
    for number, parent in enumerate(batch.parents):
        if parent is not None:
            children.setdefault(parent, []).append(number)
    if any(len(pair) != 2 for pair in children.values()):
        raise ValueError("a preference batch is made of prompts with two answers each")
    return torch.tensor(list(children.values()), dtype=torch.long).T


def answer_sums(value_N: Tensor, batch: Batch) -> Tensor:
    """The sum of a value of each supervised token over each answer, shape (2, P)."""
    sum_S = torch.zeros(len(batch.parents), dtype=value_N.dtype, device=value_N.device)
    return sum_S.index_add(0, batch.segment_N, value_N)[answers_of(batch)]


def preference_loss(policy_2P: Tensor, reference_2P: Tensor, tokens_2P: Tensor, settings: Dpo) -> LossOut:
    """Sum of the loss over P pairs; the loop divides by the pairs of the whole step.

    `policy_2P` and `reference_2P` are log-probabilities in nats, summed over the `tokens_2P` tokens of each answer.
    A reward is beta * (policy - reference), a margin the chosen reward minus the rejected one; a pair is right when
    its margin is above 0.
    """
    ratio_2P = policy_2P - reference_2P
    rewards_2P = settings.beta * ratio_2P
    margin_P = rewards_2P[0] - rewards_2P[1]
    if settings.loss == "ipo":
        mean_2P = ratio_2P / tokens_2P
        loss_P = ipo(mean_2P[0] - mean_2P[1], settings.beta)
    elif settings.loss == "hinge":
        loss_P = relu(1 - margin_P)
    else:
        loss_P = sigmoid(margin_P, settings.label_smoothing)
    total, pairs = loss_P.sum(), float(loss_P.shape[0])
    seen = {
        "loss": total,
        "margin": margin_P.sum(),
        "accuracy": (margin_P > 0).sum(),
        "reward_chosen": rewards_2P[0].sum(),
        "reward_rejected": rewards_2P[1].sum(),
    }
    return LossOut(total, {name: (value.item(), pairs) for name, value in seen.items()})


def sigmoid(margin_P: Tensor, smoothing: float = 0.0) -> Tensor:
    """DPO (Rafailov et al. 2023, arXiv 2305.18290, eq. 7); with smoothing the conservative one (Mitchell 2023), whose
    pairs are the wrong way round with that probability."""
    return -(1 - smoothing) * logsigmoid(margin_P) - smoothing * logsigmoid(-margin_P)


def ipo(difference_P: Tensor, beta: float) -> Tensor:
    """IPO (Azar et al. 2023, arXiv 2310.12036, eq. 17) of the difference of log ratios a token: the mean, as its
    authors ran it (and TRL does), so that long answers do not weigh more."""
    return (difference_P - 1 / (2 * beta)) ** 2
