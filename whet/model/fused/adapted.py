"""One adapted linear layer as one function, for architectures whose layers are not computed whole.

It takes the place of the forward of PEFT's LoRA layer over a plain or a 4-bit weight and hands back to it whatever it
does not compute (dropout, DoRA, merged, switched off). A 4-bit weight is dequantised for the product in the forward
pass and again in the backward pass, and let go of after each; what is kept in between is x and x A'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from whet.model.attention.forest import active_forest
from whet.model.fused import linear as products
from whet.model.fused.linear import AdaptedLinear, Gradients, read_product
from whet.model.lora import is_lora
from whet.model.quantised.nf4 import is_quantised


def adapted_linear(x: Tensor, product: AdaptedLinear) -> Tensor:
    """y (..., O) for x (..., D), in one dtype with the adapter. Differentiable once in x and in what is trainable."""
    y_TO = _AdaptedLinearFunction.apply(x, product, *product.parameters())
    return y_TO.view(*x.shape[:-1], y_TO.shape[-1])  # out here, so that a model may change it in place (Gemma 3n does)


class _AdaptedLinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, product: AdaptedLinear, *parameters: Tensor) -> Tensor:
        x_TD = x.reshape(-1, x.shape[-1])
        (y_TO,), ctx.h_TR = products.apply(x_TD, [product])
        ctx.save_for_backward(x_TD)
        ctx.product, ctx.parameters, ctx.shape = product, parameters, x.shape
        return y_TO

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x_TD,), (g_TO,) = ctx.saved_tensors, grads
        sink: Gradients = {}
        dx_TD = products.backward(x_TD, [ctx.product], [g_TO], ctx.h_TR, sink, ctx.needs_input_grad[0])
        if dx_TD is None:
            dx = None
        else:
            dx = dx_TD.view(ctx.shape)
        return (dx, None, *(sink.get(id(p)) for p in ctx.parameters))


@dataclass(slots=True)
class AdaptedForward:
    """Stands in for the forward of a LoRA layer: always over a 4-bit weight, within a forest over a plain one.

    So the plain path, which the self-check compares with, stays PEFT's own.
    """

    own: Any
    module: Any
    quantised: bool

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.quantised or active_forest():
            product = read_product(self.module)
        else:
            product = None

        if product is None or not product.adapted or args or kwargs or product.up is None:
            return self.own(x, *args, **kwargs)
        if not x.dtype == product.up.dtype == product.dtype:
            return self.own(x)
        return adapted_linear(x, product)


def install_adapted(model: nn.Module) -> int:
    """Let every LoRA layer of `model` be computed by the function above; returns how many there are."""
    layers = [module for module in model.modules() if is_lora(module) and read_product(module)]
    for module in layers:
        if not isinstance(module.forward, AdaptedForward):  # type: ignore[union-attr]
            module.forward = AdaptedForward(module.forward, module, is_quantised(module.base_layer))  # type: ignore
    return len(layers)
