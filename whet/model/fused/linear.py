"""Linear layers with their adapters, as the kernels see them: y = x W' + b + s (x A') B'.

The adapter's part is added into the product in place, layers that read the same input share one product x [A A A]',
and frozen weights get no gradient buffers. Derivation (Hu et al. 2021, section 4.1), with g = dL/dy and h = x A':

    dL/dB = s g' h      dL/dh = s g B      dL/dA = (dL/dh)' x      dL/dx = g W + (dL/dh) A
    dL/dW = g' x        dL/db = sum_t g    where these are trained

Shapes: T tokens, D inputs, O outputs, R ranks of all adapters that read one input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from whet.model.lora import is_lora
from whet.model.quantised.nf4 import dequantised, is_quantised

Gradients = dict[int, Tensor]
"""Gradients by the id of the parameter they belong to."""


class AdaptedLinear:
    """One linear layer: its weight wherever it lies, and its adapter if one is injected."""

    __slots__ = ("down", "layer", "scale", "up", "wrapper")

    def __init__(self, layer: Any, wrapper: Any = None) -> None:
        self.layer, self.wrapper = layer, wrapper
        self.down: nn.Parameter | None = None
        self.up: nn.Parameter | None = None
        self.scale = 1.0
        if wrapper is not None:
            (name,) = wrapper.active_adapters
            self.down, self.up = wrapper.lora_A[name].weight, wrapper.lora_B[name].weight
            self.scale = float(wrapper.scaling[name])

    @property
    def adapted(self) -> bool:
        """Is there an adapter, and is it switched on?"""
        return self.wrapper is not None and not self.wrapper.disable_adapters

    @property
    def weight_OD(self) -> Tensor:
        """The weight; of a 4-bit layer a fresh tensor, to be let go of after use."""
        return dequantised(self.layer)

    @property
    def outputs(self) -> int:
        """O, without making the weight."""
        return self.layer.out_features

    @property
    def dtype(self) -> torch.dtype:
        """What the product is computed in."""
        if is_quantised(self.layer):
            return self.layer.compute_dtype
        return self.layer.weight.dtype

    def parameters(self) -> list[Tensor]:
        """What may be trained here."""
        trainable: list[Tensor] = [p for p in (self.layer.weight, self.layer.bias) if p is not None and p.requires_grad]
        if self.adapted:
            assert self.down is not None and self.up is not None
            trainable += [self.down, self.up]
        return trainable


def read_product(module: Any) -> AdaptedLinear | None:
    """The layer as an AdaptedLinear, or None where it computes more (dropout, DoRA, merged, other classes)."""
    if _is_linear(module):
        return AdaptedLinear(module)
    if not is_lora(module) or not _is_linear(module.base_layer):
        return None

    names = list(module.active_adapters)
    if len(names) != 1 or module.merged or names[0] not in module.lora_A:
        return None

    (name,) = names
    plain = not module.lora_variant and isinstance(module.lora_dropout[name], nn.Identity)

    has_bias = module.lora_A[name].bias is not None or module.lora_B[name].bias is not None
    if plain and not has_bias:
        return AdaptedLinear(module.base_layer, module)
    return None


def _is_linear(module: Any) -> bool:
    """torch's own layer or a 4-bit one, and no subclass that may compute something else."""
    return type(module) is nn.Linear or is_quantised(module)


def apply(
    x_TD: Tensor, products: Sequence[AdaptedLinear], residual_TO: Tensor | None = None
) -> tuple[list[Tensor], Tensor | None]:
    """Outputs of layers that share an input, and h (T, R) for the backward pass. A residual is added to the first."""
    adapted = [product for product in products if product.adapted]
    if adapted:
        h_TR = x_TD @ _downs(adapted).T
    else:
        h_TR = None

    outputs, at = [], 0
    for product in products:
        weight_DO, bias_O = product.weight_OD.T, product.layer.bias
        if residual_TO is not None:
            y_TO = torch.addmm(residual_TO, x_TD, weight_DO)
            if bias_O is not None:
                y_TO += bias_O
        else:
            if bias_O is None:
                y_TO = x_TD @ weight_DO
            else:
                y_TO = torch.addmm(bias_O, x_TD, weight_DO)

        if product.adapted and h_TR is not None and product.up is not None:
            rank = product.up.shape[1]
            y_TO.addmm_(h_TR[:, at : at + rank], product.up.T, alpha=product.scale)
            at += rank
        outputs.append(y_TO)

    return outputs, h_TR


def backward(
    x_TD: Tensor,
    products: Sequence[AdaptedLinear],
    grads: Sequence[Tensor],
    h_TR: Tensor | None,
    sink: Gradients,
    wants_input: bool = True,
) -> Tensor | None:
    """dL/dx, from the gradient of each output; gradients of parameters go into `sink`."""
    dx_TD: Tensor | None = None
    if h_TR is None:
        dh_TR = None
    else:
        dh_TR = torch.empty_like(h_TR)

    at = 0
    for product, g_TO in zip(products, grads, strict=True):
        if wants_input:
            weight_OD = product.weight_OD
            if dx_TD is None:
                dx_TD = g_TO @ weight_OD
            else:
                dx_TD = dx_TD.addmm_(g_TO, weight_OD)

        if product.layer.weight.requires_grad:
            sink[id(product.layer.weight)] = g_TO.T @ x_TD
        if product.layer.bias is not None and product.layer.bias.requires_grad:
            sink[id(product.layer.bias)] = g_TO.sum(0)

        if product.adapted and h_TR is not None and dh_TR is not None and product.up is not None:
            part = slice(at, at + product.up.shape[1])
            sink[id(product.up)] = (g_TO.T @ h_TR[:, part]).mul_(product.scale)
            torch.mm(g_TO, product.up, out=dh_TR[:, part])
            dh_TR[:, part].mul_(product.scale)
            at = part.stop

    if dh_TR is not None:
        adapted = [product for product in products if product.adapted]
        downs_RD = _downs(adapted)
        _split_downs(dh_TR.T @ x_TD, adapted, sink)

        if dx_TD is not None:
            dx_TD.addmm_(dh_TR, downs_RD)

    return dx_TD


def _downs(adapted: Sequence[AdaptedLinear]) -> Tensor:
    downs: list[Tensor] = [product.down for product in adapted if product.down is not None]
    if len(downs) == 1:
        return downs[0]
    return torch.cat(downs)


def _split_downs(gradient_RD: Tensor, adapted: Sequence[AdaptedLinear], sink: Gradients) -> None:
    at = 0
    for product in adapted:
        assert product.down is not None
        rank = product.down.shape[0]
        sink[id(product.down)] = gradient_RD[at : at + rank]
        at += rank
