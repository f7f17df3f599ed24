"""Linear layers as writing reads them: those that share an input joined to one product, in the processor's own layout.

    y = x [W1 W2 ..]' + b + s (x [A1 A2 ..]') [B1 B2 ..]'

A copy of the weights is made for one call of `generate` and then let go, so training may change them in between.
Shapes: M rows (tokens), D inputs, O outputs of all layers together, R ranks of their adapters together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from whet.model.fused.linear import AdaptedLinear
from whet.planning.machine import available_memory

ROWS_HINT = 32
"""Rows that the packed layout is made for; it serves any number."""


class LinearAdapters(Protocol):
    """What adapters add to a joined product. `chosen` says which of them each row has (see RowAdapters)."""

    def add(self, y_MO: Tensor, x_MD: Tensor, chosen: Any) -> None: ...


class RowAdapters(Protocol):
    """Which adapter each row has, made once for all layers of a forward pass."""

    def choose(self, index_M: Sequence[int], rows: int) -> Any:
        """`index_M` holds 0 for the base and the adapter's number else; rows beyond it only round up the batch."""


class OwnAdapter:
    """The adapter that is injected into the model, under the number 1; 0 is its base."""

    def __init__(self, like: Tensor) -> None:
        self.like = like

    def choose(self, index_M: Sequence[int], rows: int) -> Tensor | None:
        """What the adapter's part of each row is multiplied by (rows, 1), 0 or 1; None where all rows have it."""
        if all(index_M):
            return None
        return self.like.new_tensor([*index_M, *[1] * (rows - len(index_M))])[:, None]


class InjectedAdapters:
    """The adapters that lie in the layers themselves: s (x [A1 A2 ..]') [B1 B2 ..]'."""

    def __init__(self, down_DR: Tensor, up_RO: Tensor) -> None:
        self.down_DR, self.up_RO = down_DR, up_RO

    def add(self, y_MO: Tensor, x_MD: Tensor, chosen: Tensor | None) -> None:
        h_MR = x_MD @ self.down_DR
        if chosen is not None:
            h_MR.mul_(chosen)
        y_MO.addmm_(h_MR, self.up_RO)


class JoinedLinear:
    """Layers that read the same input. With `copies` their weights are joined once, else read where they lie.

    `order_O` says in which order the outputs are wanted, if not in the layers' own.
    """

    def __init__(self, products: Sequence[AdaptedLinear], copies: bool, order_O: Tensor | None = None) -> None:
        self.products = products
        self.bias_O = _ordered(_joined_bias(products), order_O)

        if copies:
            self.weight_OD = _ordered(_joined_weight(products), order_O)
        else:
            self.weight_OD = None

        self.packed: Tensor | None = None
        if self.weight_OD is not None and can_pack(self.weight_OD):
            self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight_OD, ROWS_HINT)
            self.weight_OD = None

        self.wanted_O, self.order_O = order_O, None if copies else order_O
        self.adapters: LinearAdapters | None = _injected(products, order_O)

    def __call__(self, x_MD: Tensor, chosen: Any, residual_MO: Tensor | None = None) -> Tensor:
        """y (M, O), to which a residual is added, and what each row's adapter adds."""
        y_MO = self._product(x_MD, residual_MO)
        if self.adapters is not None:
            self.adapters.add(y_MO, x_MD, chosen)
        return y_MO

    def _product(self, x_MD: Tensor, residual_MO: Tensor | None) -> Tensor:
        if self.packed is not None:
            pointwise = torch.ops.mkldnn._linear_pointwise
            if residual_MO is not None:
                return pointwise.binary(x_MD, residual_MO, self.packed, self.bias_O, "add")
            return pointwise.default(x_MD, self.packed, self.bias_O, "none", [], "")

        if self.weight_OD is not None:
            y_MO = functional.linear(x_MD, self.weight_OD, self.bias_O)
        else:
            y_MO = self._unpacked(x_MD)

        if residual_MO is None:
            return y_MO
        return y_MO.add_(residual_MO)

    def _unpacked(self, x_MD: Tensor) -> Tensor:
        parts = [functional.linear(x_MD, product.weight_OD, product.layer.bias) for product in self.products]
        if len(parts) == 1:
            y_MO = parts[0]
        else:
            y_MO = torch.cat(parts, -1)
        if self.order_O is None:
            return y_MO
        return y_MO.index_select(1, self.order_O)


def can_pack(weight: Tensor) -> bool:
    """Does this processor have its own layout for such weights?

    With 32 rows in float32 on two AVX2 cores (GFLOP/s a core, weights read from memory): 49 against 33 as they lie for
    an MLP's way in, 52 against 30 for a head of 49,152 tokens, and the same for narrower layers.
    """
    there = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    if not there or weight.device.type != "cpu":
        return False
    return weight.dtype == torch.float32 or (
        weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def room_for_copy(model_bytes: int) -> bool:
    """Does a copy of the weights leave half of the free memory free?"""
    return model_bytes * 2 <= available_memory()


def _joined_weight(products: Sequence[AdaptedLinear]) -> Tensor:
    weights = [product.weight_OD for product in products]
    if len(weights) > 1:
        return torch.cat(weights)
    return weights[0]


def _joined_bias(products: Sequence[AdaptedLinear]) -> Tensor | None:
    if all(product.layer.bias is None for product in products):
        return None
    given = [product.layer.bias for product in products]
    some = next(bias for bias in given if bias is not None)
    filled = [some.new_zeros(p.outputs) if bias is None else bias for p, bias in zip(products, given, strict=True)]
    return torch.cat(filled)


def _injected(products: Sequence[AdaptedLinear], order_O: Tensor | None) -> InjectedAdapters | None:
    """[A1 A2 ..]' (D, R), and the scaled B's as blocks of one (R, O) matrix; None where no layer has an adapter."""
    adapted = [product for product in products if product.adapted]
    if not adapted:
        return None

    down_RD = torch.cat([product.down for product in adapted if product.down is not None])
    up_RO = down_RD.new_zeros(down_RD.shape[0], sum(product.outputs for product in products))

    row = column = 0
    for product in products:
        if product.adapted and product.up is not None:
            outputs, rank = product.up.shape
            up_RO[row : row + rank, column : column + outputs] = product.up.T.float() * product.scale
            row += rank
        column += product.outputs

    if order_O is not None:
        up_RO = up_RO[:, order_O]
    return InjectedAdapters(down_RD.T.contiguous(), up_RO)


def _ordered(rows: Tensor | None, order_O: Tensor | None) -> Tensor | None:
    if rows is None or order_O is None:
        return rows
    return rows[order_O]
