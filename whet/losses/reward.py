"""The loss of a reward model, from the scores of both answers of each pair.

Legend: P pairs. In `x_2P` row 0 is the chosen answer and row 1 the rejected one.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid

from whet.types import LossOut


def reward_loss(scores_2P: Tensor, margin_P: Tensor | None = None, center: float = 0.0) -> LossOut:
    """Sum over P pairs of  -log sigmoid(chosen - rejected - margin) + center * (chosen + rejected)^2.

    Bradley-Terry (Ouyang et al. 2022, arXiv 2203.02155, eq. 1), with how much better the chosen answer is where the
    data says it (Touvron et al. 2023, arXiv 2307.09288, eq. 2). The second term holds the scores near 0, which the
    first leaves free to drift (Eisenstein et al. 2023, arXiv 2312.09244). The loop divides by the pairs of a step.
    """
    difference_P = scores_2P[0] - scores_2P[1]
    loss_P = -logsigmoid(difference_P if margin_P is None else difference_P - margin_P)

    if center:
        loss_P = loss_P + center * (scores_2P[0] + scores_2P[1]).square()
    total, pairs = loss_P.sum(), float(loss_P.shape[0])
    seen = {
        "loss": total,
        "margin": difference_P.sum(),
        "accuracy": (difference_P > 0).sum(),
        "reward_chosen": scores_2P[0].sum(),
        "reward_rejected": scores_2P[1].sum(),
    }

    return LossOut(total, {name: (value.item(), pairs) for name, value in seen.items()})
