"""Losses of preference pairs, from the summed log-probabilities of their answers.

Legend: P pairs. In `x_2P` row 0 is the chosen answer and row 1 the rejected one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu

from whet.recipe.schema import Dpo
from whet.types import LossOut


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a loss may look at: log-probabilities in nats, summed over the `tokens_2P` tokens of each answer."""

    policy_2P: Tensor
    reference_2P: Tensor | None
    """The base's; None for a loss that needs none."""
    tokens_2P: Tensor

    @property
    def ratio_2P(self) -> Tensor:
        """log p / p_base of each answer. Raises ValueError without a reference."""
        if self.reference_2P is None:
            raise ValueError("this loss needs what the base says of the answers")
        return self.policy_2P - self.reference_2P

    @property
    def mean_2P(self) -> Tensor:
        """Mean log-probability a token."""
        return self.policy_2P / self.tokens_2P


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss: what an answer's reward is, in nats before beta, and what a pair's two rewards cost."""

    reward: Callable[[Pairs], Tensor]
    """(2, P) from the pairs."""
    cost: Callable[[Tensor, Dpo], Tensor]
    """(P,) from the rewards, (2, P)."""
    needs_reference: bool = True


def preference_loss(policy_2P: Tensor, reference_2P: Tensor | None, tokens_2P: Tensor, settings: Dpo) -> LossOut:
    """Sum of the loss over P pairs; the loop divides by the pairs of the whole step.

    The arguments are those of `Pairs`. A margin is the chosen reward minus the rejected one; a pair is right when its
    margin is above 0. With `sft_weight` the chosen answer's mean nats a token are added (RPO: Pang et al. 2024, arXiv
    2404.19733, eq. 1). Raises ValueError for a loss that lacks its reference.
    """
    assert settings.beta is not None, "the rules fill it in"
    objective, pairs = OBJECTIVES[settings.loss], Pairs(policy_2P, reference_2P, tokens_2P)
    nats_2P = objective.reward(pairs)
    loss_P = objective.cost(nats_2P, settings)
    nll_P = -pairs.mean_2P[0]

    if settings.sft_weight:
        loss_P = loss_P + settings.sft_weight * nll_P
    total, count = loss_P.sum(), float(loss_P.shape[0])
    rewards_2P = settings.beta * nats_2P.detach()
    margin_P = rewards_2P[0] - rewards_2P[1]
    seen = {
        "loss": total,
        "margin": margin_P.sum(),
        "accuracy": (margin_P > 0).sum(),
        "reward_chosen": rewards_2P[0].sum(),
        "reward_rejected": rewards_2P[1].sum(),
        "nll_chosen": nll_P.sum(),
    }

    return LossOut(total, {name: (value.item(), count) for name, value in seen.items()})


def needs_reference(settings: Dpo) -> bool:
    return OBJECTIVES[settings.loss].needs_reference


def sigmoid(margin_P: Tensor, smoothing: float = 0.0) -> Tensor:
    """DPO (Rafailov et al. 2023, arXiv 2305.18290, eq. 7); with smoothing the conservative one (Mitchell 2023), whose
    pairs are the wrong way round with that probability."""
    return -(1 - smoothing) * logsigmoid(margin_P) - smoothing * logsigmoid(-margin_P)


def ipo(difference_P: Tensor, beta: float) -> Tensor:
    """IPO (Azar et al. 2023, arXiv 2310.12036, eq. 17) of the difference of log ratios a token: the mean, as its
    authors ran it (and TRL does), so that long answers do not weigh more."""
    return (difference_P - 1 / (2 * beta)) ** 2


def apo_zero(reward_2P: Tensor) -> Tensor:
    """Anchored preference optimisation (D'Oosterlinck et al. 2024, arXiv 2408.06266, eq. 7, plus 1, as TRL writes it).

    Each answer is held against the base alone: the chosen one gains, the rejected one loses, and each is left alone
    where its sigmoid is flat.
    """
    return (-reward_2P[0]).sigmoid() + reward_2P[1].sigmoid()


def apo_down(reward_2P: Tensor) -> Tensor:
    """The same paper's eq. 8, plus 1: the chosen answer loses, too, and the rejected one loses more.

    At the base the two pulls on the chosen answer cancel; it falls as long as the margin is larger than its own reward.
    """
    return reward_2P[0].sigmoid() + (reward_2P[1] - reward_2P[0]).sigmoid()


def log_odds_ratio(mean_2P: Tensor) -> Tensor:
    """log of odds(chosen) / odds(rejected), where odds = p / (1 - p) and p is the geometric mean probability of a
    token (Hong et al. 2024, arXiv 2403.07691, eqs. 4 and 5)."""
    odds_2P = mean_2P - log1mexp(mean_2P)
    return odds_2P[0] - odds_2P[1]


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x < 0, without loss near 0 (Maechler 2012, "Accurately computing log(1 - exp(-|a|))")."""
    x = x.clamp(max=-1e-7)  # a probability of 1 has no odds
    near, safe = x > -0.693, x.new_full((), -0.693)  # the branch that is not taken must have a gradient, too
    return torch.where(near, (-x.where(near, safe).expm1()).log(), (-x.where(~near, safe).exp()).log1p())


def _margin(nats_2P: Tensor, settings: Dpo) -> Tensor:
    assert settings.beta is not None, "the rules fill it in"
    return settings.beta * (nats_2P[0] - nats_2P[1])


def _sigmoid_cost(nats_2P: Tensor, settings: Dpo) -> Tensor:
    return sigmoid(_margin(nats_2P, settings), settings.label_smoothing)


def _hinge_cost(nats_2P: Tensor, settings: Dpo) -> Tensor:
    return relu(1 - _margin(nats_2P, settings))


def _ipo_cost(nats_2P: Tensor, settings: Dpo) -> Tensor:
    assert settings.beta is not None
    return ipo(nats_2P[0] - nats_2P[1], settings.beta)


def _apo_zero_cost(nats_2P: Tensor, settings: Dpo) -> Tensor:
    assert settings.beta is not None, "the rules fill it in"
    return apo_zero(settings.beta * nats_2P)


def _apo_down_cost(nats_2P: Tensor, settings: Dpo) -> Tensor:
    assert settings.beta is not None, "the rules fill it in"
    return apo_down(settings.beta * nats_2P)


def _simpo_cost(nats_2P: Tensor, settings: Dpo) -> Tensor:
    assert settings.gamma is not None, "the rules fill it in"
    return sigmoid(_margin(nats_2P, settings) - settings.gamma, settings.label_smoothing)


def _orpo_cost(nats_2P: Tensor, settings: Dpo) -> Tensor:
    """The odds-ratio part; `sft_weight` of 1 adds the other one. The paper's lambda is beta."""
    assert settings.beta is not None
    return -settings.beta * logsigmoid(log_odds_ratio(nats_2P))


def _ratio(pairs: Pairs) -> Tensor:
    return pairs.ratio_2P


def _mean_ratio(pairs: Pairs) -> Tensor:
    return pairs.ratio_2P / pairs.tokens_2P


def _mean(pairs: Pairs) -> Tensor:
    return pairs.mean_2P


OBJECTIVES = {
    "sigmoid": Objective(_ratio, _sigmoid_cost),
    "sigmoid-norm": Objective(_mean_ratio, _sigmoid_cost),  # Tulu 3 (Lambert et al. 2024, arXiv 2411.15124, section 5)
    "hinge": Objective(_ratio, _hinge_cost),  # SLiC's form (arXiv 2309.06657)
    "ipo": Objective(_mean_ratio, _ipo_cost),
    "apo-zero": Objective(_ratio, _apo_zero_cost),
    "apo-down": Objective(_ratio, _apo_down_cost),
    "simpo": Objective(_mean, _simpo_cost, needs_reference=False),  # Meng et al. 2024, arXiv 2405.14734, eq. 6
    "orpo": Objective(_mean, _orpo_cost, needs_reference=False),  # Hong et al. 2024, arXiv 2403.07691, eqs. 6 and 7
}
"""By the name in the recipe."""
