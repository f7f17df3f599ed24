"""What happens to single tokens between matrix products: RMSNorm, rotary positions, the gated activation.

Each forward has its backward beside it. Shapes: T tokens, D hidden size, K head size, M width of the MLP.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from whet.model.logprob import wide


def rms_norm(x_TD: Tensor, weight_D: Tensor, epsilon: float) -> Tensor:
    """n = x r w, with r = (mean_d x^2 + epsilon) ** -1/2 (Zhang and Sennrich 2019, equation 4)."""
    return functional.rms_norm(x_TD, weight_D.shape, weight_D, epsilon)


def rms_norm_backward(
    g_TD: Tensor, x_TD: Tensor, weight_D: Tensor, epsilon: float, wants_weight: bool
) -> tuple[Tensor, Tensor | None]:
    """dL/dx = r (g w) - x r^3 mean_d(g w x), and dL/dw = sum_t g x r. Row sums and r are kept wide. Spends `g_TD`."""
    size, dtype = x_TD.shape[-1], wide(x_TD.dtype)
    square_T1 = torch.linalg.vector_norm(x_TD, dim=-1, keepdim=True, dtype=dtype).square_()
    r_T1 = square_T1.div_(size).add_(epsilon).rsqrt_()
    dweight_D = (g_TD * x_TD).mul_(r_T1).sum(0) if wants_weight else None
    gw_TD = g_TD.mul_(weight_D)
    dot_T1 = (gw_TD * x_TD).sum(-1, keepdim=True, dtype=dtype)
    dot_T1.mul_(r_T1.pow(3)).div_(-size)
    gw_TD.mul_(r_T1)
    return gw_TD.addcmul_(x_TD, dot_T1.to(x_TD.dtype)), dweight_D


def rotate(x: Tensor, cos: Tensor, sin: Tensor, out: Tensor, back: bool = False) -> Tensor:
    """Rotary positions on the last axis in halves (Su et al. 2021, equation 34): (a, b) -> (a c - b s, b c + a s).

    `cos` and `sin` broadcast against `x` and hold each angle once; axes of `x` beyond the angles pass unchanged.
    `back` turns by the opposite angle, which is the backward pass.
    """
    half = cos.shape[-1]
    a, b = x[..., :half], x[..., half : 2 * half]
    out_a, out_b = out[..., :half], out[..., half : 2 * half]
    sign = -1.0 if back else 1.0
    torch.mul(a, cos, out=out_a)
    out_a.addcmul_(b, sin, value=-sign)
    torch.mul(b, cos, out=out_b)
    out_b.addcmul_(a, sin, value=sign)
    if 2 * half < x.shape[-1]:
        out[..., 2 * half :] = x[..., 2 * half :]
    return out


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
