"""A linear layer with a 4-bit weight and its adapter as one function: y = x W' + b + s (x A') B'.

W is dequantised for the product in the forward pass and again in the backward pass, and let go of after each; what is
kept in between is x and x A'. With g = dL/dy, h = x A' (Hu et al. 2021, section 4.1; W frozen):

    dL/dB = s g' h      dL/dh = s g B      dL/dA = (dL/dh)' x      dL/dx = g W + (dL/dh) A

Shapes: T tokens (all leading axes of x), D inputs, O outputs, R rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from whet.model.quantise import dequantised, quantised_linears


def adapted_linear(x: Tensor, layer: Any, down_RD: Tensor, up_OR: Tensor, scale: float) -> Tensor:
    """y for x of shape (..., D), in the dtype of x, which the adapter and the layer's computation must share.

    Differentiable (once) in x, `down_RD` and `up_OR`; weight and bias of `layer` are frozen.
    """
    return _AdaptedLinear.apply(x, down_RD, up_OR, layer, scale)


class _AdaptedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, down_RD: Tensor, up_OR: Tensor, layer: Any, scale: float) -> Tensor:
        x_TD = x.reshape(-1, x.shape[-1])
        y_TO = linear(x_TD, dequantised(layer), layer.bias)
        h_TR = x_TD @ down_RD.T
        y_TO.addmm_(h_TR, up_OR.T, alpha=scale)
        ctx.save_for_backward(x_TD, h_TR, down_RD, up_OR)
        ctx.layer, ctx.scale, ctx.shape = layer, scale, x.shape
        return y_TO.view(*x.shape[:-1], y_TO.shape[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_TD, h_TR, down_RD, up_OR = ctx.saved_tensors
        g_TO = grads[0].reshape(-1, grads[0].shape[-1])
        dh_TR = (g_TO @ up_OR).mul_(ctx.scale)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = (g_TO @ dequantised(ctx.layer)).addmm_(dh_TR, down_RD).view(ctx.shape)
        return dx, dh_TR.T @ x_TD, (g_TO.T @ h_TR).mul_(ctx.scale), None, None


@dataclass(slots=True)
class FusedForward:
    """Stands in for the forward of PEFT's 4-bit LoRA layer, and hands back to it whatever it does not compute."""

    own: Any
    module: Any

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        name = _plain_adapter(self.module)
        layer = self.module.base_layer
        if name is None or args or kwargs or x.dtype != layer.compute_dtype:
            return self.own(x, *args, **kwargs)
        down, up = self.module.lora_A[name].weight, self.module.lora_B[name].weight
        if not down.dtype == up.dtype == x.dtype:
            return self.own(x)
        return adapted_linear(x, layer, down, up, float(self.module.scaling[name]))


def install_quantised(model: nn.Module) -> int:
    """Let every adapted 4-bit layer of `model` be computed by the function above; returns how many there are."""
    if not quantised_linears(model):
        return 0
    from peft.tuners.lora.bnb import Linear4bit

    found = [module for module in model.modules() if isinstance(module, Linear4bit)]
    for module in found:
        if not isinstance(module.forward, FusedForward):
            module.forward = FusedForward(module.forward, module)
    return len(found)


def _plain_adapter(module: Any) -> str | None:
    """Name of the one adapter that is switched on and is plain LoRA without dropout, or None."""
    names = [name for name in module.active_adapters if name in module.lora_A]
    if len(names) != 1 or module.disable_adapters or module.merged or module.lora_variant:
        return None
    (name,) = names
    biased = module.lora_A[name].bias is not None or module.lora_B[name].bias is not None
    dropout = module.training and not isinstance(module.lora_dropout[name], nn.Identity)
    return None if biased or dropout else name
