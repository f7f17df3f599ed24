"""What happens to single tokens between matrix products: RMSNorm, rotary positions, the gated activation.

Each forward has its backward beside it. Shapes: T tokens, D hidden size, K head size, M width of the MLP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from whet.model.logits.logprob import accumulation_dtype


def rms_norm(x_TD: Tensor, weight_D: Tensor, epsilon: float) -> Tensor:
    """n = x r w, with r = (mean_d x^2 + epsilon) ** -1/2 (Zhang and Sennrich 2019, equation 4)."""
    return functional.rms_norm(x_TD, weight_D.shape, weight_D, epsilon)


def rms_norm_backward(
    g_TD: Tensor, x_TD: Tensor, weight_D: Tensor, epsilon: float, wants_weight: bool
) -> tuple[Tensor, Tensor | None]:
    """dL/dx = r (g w) - x r^3 mean_d(g w x), and dL/dw = sum_t g x r. Row sums and r are kept wide. Spends `g_TD`."""
    size, dtype = x_TD.shape[-1], accumulation_dtype(x_TD.dtype)
    square_T1 = torch.linalg.vector_norm(x_TD, dim=-1, keepdim=True, dtype=dtype).square_()
    r_T1 = square_T1.div_(size).add_(epsilon).rsqrt_()

    if wants_weight:
        dweight_D = (g_TD * x_TD).mul_(r_T1).sum(0)
    else:
        dweight_D = None

    gw_TD = g_TD.mul_(weight_D)
    dot_T1 = (gw_TD * x_TD).sum(-1, keepdim=True, dtype=dtype)
    dot_T1.mul_(r_T1.pow(3)).div_(-size)
    gw_TD.mul_(r_T1)

    return gw_TD.addcmul_(x_TD, dot_T1.to(x_TD.dtype)), dweight_D


@dataclass(frozen=True, slots=True)
class Rotary:
    """Cosines and signed sines of every token, laid out as its heads are: (T, H * K), so that products run flat."""

    cos_TH: Tensor
    sin_TH: Tensor
    half: int
    """Half of the rotated numbers of a head; the others have cosine 1 and sine 0."""

    @staticmethod
    def of(cos_TF: Tensor, sin_TF: Tensor, heads: int, size: int) -> Rotary:
        """From each angle once, F = half."""
        still = cos_TF.new_zeros(len(cos_TF), size - 2 * cos_TF.shape[-1])
        cos_TK = torch.cat((cos_TF, cos_TF, still + 1), -1)
        sin_TK = torch.cat((-sin_TF, sin_TF, still), -1)
        return Rotary(cos_TK.repeat(1, heads), sin_TK.repeat(1, heads), cos_TF.shape[-1])


def rotate(x_THK: Tensor, rotary: Rotary, back: bool = False) -> Tensor:
    """Rotary positions in halves (Su et al. 2021, equation 34): (a, b) -> (a c - b s, b c + a s); (T, H * K).

    `back` turns by the opposite angle, which is the backward pass.
    """
    half = rotary.half
    a, b, still = x_THK[..., :half], x_THK[..., half : 2 * half], x_THK[..., 2 * half :]
    swapped_TH = torch.cat((b, a, still), -1).flatten(1)
    width = swapped_TH.shape[1]
    turned_TH = x_THK.reshape(swapped_TH.shape) * rotary.cos_TH[:, :width]

    return turned_TH.addcmul_(swapped_TH, rotary.sin_TH[:, :width], value=-1 if back else 1)


Slope = Callable[[Tensor, Tensor], Tensor]

ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Slope]] = {
    "silu": (functional.silu, torch.ops.aten.silu_backward),
    "swish": (functional.silu, torch.ops.aten.silu_backward),
    "gelu": (functional.gelu, torch.ops.aten.gelu_backward),
    "gelu_pytorch_tanh": (
        lambda x: functional.gelu(x, approximate="tanh"),
        lambda g, x: torch.ops.aten.gelu_backward(g, x, approximate="tanh"),
    ),
}
"""By transformers' name: the function, and (g, x) -> g f'(x)."""


def gated(gate_TM: Tensor, up_TM: Tensor, activation: str) -> tuple[Tensor, Tensor]:
    """f(gate) * up (Shazeer 2020, equation 6), and f(gate)."""
    active_TM = ACTIVATIONS[activation][0](gate_TM)
    return active_TM * up_TM, active_TM


def gated_backward(
    g_TM: Tensor, gate_TM: Tensor, up_TM: Tensor, active_TM: Tensor, activation: str
) -> tuple[Tensor, Tensor]:
    """Gradients of gate and up. Spends `g_TM` and `active_TM`."""
    dup_TM = active_TM.mul_(g_TM)
    return ACTIVATIONS[activation][1](g_TM.mul_(up_TM), gate_TM), dup_TM
