"""Adapters of a joined linear layer in places side by side, and what they add to rows that have unlike adapters.

Rows of one place are read together: with x (G, m, D) gathered by place, h = x down' and y = h up are two batched
products, however many adapters there are (Punica, Chen et al. 2023, does this with kernels of its own). The outputs of
wide layers are cut in parts of one width, so that the ways into an MLP do not multiply each other's zeros.
Shapes: M rows, G places, m rows a place, D inputs, O outputs, N parts, R ranks of a part, W = N R, E outputs of a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import torch
from torch import Tensor

from whet.generation.joined_linears import JoinedLinear

MOST_PARTS = 8
"""With more, the queries' way in, which each of their parts repeats, would cost more than the zeros."""
WIDE = 2048
"""Fewer outputs are one part: there the zeros cost less than further operations do."""


@dataclass(frozen=True, slots=True)
class PackedAdapter:
    """One adapter's weights for one joined layer, scale included."""

    down_NRD: Tensor
    up_NRE: Tensor

    @property
    def rank(self) -> int:
        return self.down_NRD.shape[1]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(part.numel() * part.element_size() for part in (self.down_NRD, self.up_NRE))


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Places `first` .. `stop` - 1 and the rows that they read, `most` each."""

    first: int
    stop: int
    most: int
    take_P: Tensor
    """The row that each place reads, (stop - first) x most; row 0 where a place has fewer."""
    rows: list[int]
    """Rows that have an adapter here."""
    places: list[int]
    """Where on P each of them was read."""
    asked: int
    """Rows of the batch."""
    total: int
    """The same, rounded up."""
    parts: dict[int, tuple[Tensor | None, Tensor]]
    """By number of parts: the part of y, and where it lies in the product."""

    def of_parts(self, number: int) -> tuple[Tensor | None, Tensor]:
        """Index of every part of every row in y (None for all in order), and of the same in the product's (G, N, m).
        Where all rows have an adapter, those that round up get the first one's, which nobody reads."""
        if number not in self.parts:
            into, source = [], []
            for row, place in sorted(zip(self.rows, self.places, strict=True)):
                place, at = divmod(place, self.most)
                for part in range(number):
                    into.append(row * number + part)
                    source.append((place * number + part) * self.most + at)
            if len(self.rows) == self.asked:
                padded = source + [0] * ((self.total - self.asked) * number)
                self.parts[number] = None, torch.tensor(padded)
            else:
                self.parts[number] = torch.tensor(into), torch.tensor(source)
        return self.parts[number]


def group_rows(index_M: Sequence[int], total: int) -> list[RowGroup]:
    """Rows by place (`index` - 1; 0 is the base, which reads nothing): one group where the places lie close together
    and have about as many rows, else one for each place. Rows up to `total` only round up the batch."""
    rows_of: dict[int, list[int]] = {}
    for row, index in enumerate(index_M):
        if index:
            rows_of.setdefault(index - 1, []).append(row)
    if not rows_of:
        return []

    first, stop = min(rows_of), max(rows_of) + 1
    most = max(map(len, rows_of.values()))
    read = (stop - first) * most
    if read <= 4 * sum(map(len, rows_of.values())):
        return [_group(rows_of, first, stop, len(index_M), total)]
    return [_group({place: rows}, place, place + 1, len(index_M), total) for place, rows in rows_of.items()]


def _group(rows_of: dict[int, list[int]], first: int, stop: int, asked: int, total: int) -> RowGroup:
    most = max(map(len, rows_of.values()))
    take, rows, places = [0] * ((stop - first) * most), [], []
    for place, own in sorted(rows_of.items()):
        for at, row in enumerate(own, start=(place - first) * most):
            take[at] = row
            rows.append(row)
            places.append(at)
    return RowGroup(first, stop, most, torch.tensor(take), rows, places, asked, total, {})


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a layer has in a part: as many of its outputs as fit."""

    part: int
    layer: int
    place: int
    """Its place among the layers of the part."""
    begin: int
    """Its first output, counted from the part's."""
    source_E: Tensor
    """The layer's own outputs that stand there."""


def _pieces(outputs: Sequence[int], width: int, order_O: Tensor | None) -> list[_Piece]:
    """`order_O` moves outputs within a head alone, and so within a layer and a part."""
    order = list(range(sum(outputs))) if order_O is None else order_O.tolist()
    pieces, begin = [], 0
    for layer, own in enumerate(outputs):
        for at in range(begin, begin + own, width):
            source = [one - begin for one in order[at : min(at + width, begin + own)]]
            place = 0 if own >= width else layer
            pieces.append(_Piece(at // width, layer, place, at % width, torch.tensor(source)))
        begin += own
    return pieces


class AdapterColumns:
    """The places of one joined layer. What it adds goes into y as the layer itself orders its outputs."""

    def __init__(self, joined: JoinedLinear, places: int) -> None:
        self.outputs = [product.outputs for product in joined.products]
        width = gcd(*self.outputs)
        if sum(self.outputs) < WIDE or sum(self.outputs) // width > MOST_PARTS:
            width = sum(self.outputs)
        self.width, self.number = width, sum(self.outputs) // width
        self.places = places
        self.pieces = _pieces(self.outputs, width, joined.wanted_O)
        first = joined.products[0]
        self.like: Tensor = torch.empty(0, dtype=first.dtype)
        self.inputs = first.layer.in_features
        self.down_GNRD, self.up_GNRE = self._room(0)
        self.views: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        """Of runs of places: (G, D, W) and (G N, R, E)."""
        joined.adapters = self

    def pack(self, factors: Sequence[tuple[Tensor, Tensor, float] | None]) -> PackedAdapter | None:
        """One adapter's A (R, D), B (O, R) and scale for each of the joined layers; None where none of them has it."""
        rank = max((len(one[0]) for one in factors if one is not None), default=0)
        if not rank:
            return None

        layers = 1 + max(piece.place for piece in self.pieces)
        down_NRD = self.like.new_zeros(self.number, layers * rank, self.inputs)
        up_NRE = self.like.new_zeros(self.number, layers * rank, self.width)
        for piece in self.pieces:
            factor = factors[piece.layer]
            if factor is None:
                continue
            down, up, scale = factor
            rows = slice(piece.place * rank, piece.place * rank + len(down))
            down_NRD[piece.part, rows] = down.to(self.like.dtype)
            scaled_ER = up.index_select(0, piece.source_E).float() * scale
            up_NRE[piece.part, rows, piece.begin : piece.begin + len(scaled_ER)] = scaled_ER.T.to(self.like.dtype)

        return PackedAdapter(down_NRD, up_NRE)

    @torch.inference_mode()
    def put(self, place: int, packed: PackedAdapter | None) -> None:
        """Lay an adapter's weights into a place; zeros for one that leaves this layer as it is."""
        if packed is not None and packed.rank > self.down_GNRD.shape[2]:
            self._widen(packed.rank)
        if packed is None:
            self.up_GNRE[place] = 0
            return
        self.down_GNRD[place, :, : packed.rank] = packed.down_NRD
        self.up_GNRE[place, :, : packed.rank] = packed.up_NRE
        self.up_GNRE[place, :, packed.rank :] = 0

    @torch.inference_mode()
    def move(self, source: int, place: int) -> None:
        self.down_GNRD[place] = self.down_GNRD[source]
        self.up_GNRE[place] = self.up_GNRE[source]

    def add(self, y_MO: Tensor, x_MD: Tensor, chosen: Sequence[RowGroup]) -> None:
        rank = self.down_GNRD.shape[2]
        if not rank:
            return
        for group in chosen:
            down_GDW, up_ARE = self._view(group.first, group.stop)
            x_GmD = x_MD.index_select(0, group.take_P).view(len(down_GDW), group.most, -1)
            h_AmR = torch.bmm(x_GmD, down_GDW)
            if self.number > 1:
                h_AmR = h_AmR.unflatten(2, (self.number, rank)).transpose(1, 2).reshape(-1, group.most, rank)

            into, source = group.of_parts(self.number)
            added = torch.bmm(h_AmR, up_ARE).view(-1, self.width).index_select(0, source)
            if into is None:
                y_MO.add_(added.view_as(y_MO))
            else:
                y_MO.view(-1, self.width).index_add_(0, into, added)

    def _view(self, first: int, stop: int) -> tuple[Tensor, Tensor]:
        if (first, stop) not in self.views:
            down_GDW = self.down_GNRD[first:stop].flatten(1, 2).transpose(1, 2)
            self.views[first, stop] = down_GDW, self.up_GNRE[first:stop].flatten(0, 1)
        return self.views[first, stop]

    def _room(self, rank: int) -> tuple[Tensor, Tensor]:
        down_GNRD = self.like.new_zeros(self.places, self.number, rank, self.inputs)
        return down_GNRD, self.like.new_zeros(self.places, self.number, rank, self.width)

    def _widen(self, rank: int) -> None:
        """Room for a larger rank; the places keep what they hold."""
        before, down, up = self.down_GNRD.shape[2], self.down_GNRD, self.up_GNRE
        self.down_GNRD, self.up_GNRE = self._room(rank)
        self.views.clear()
        self.down_GNRD[:, :, :before], self.up_GNRE[:, :, :before] = down, up
