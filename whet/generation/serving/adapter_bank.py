"""The adapters that rows of the batch have at this moment, in places side by side, as the slots of answers are.

A place serves several rows of one adapter. One that has far more rows than others gets further places, so that no place
holds up the rest: all places are read with as many rows as the fullest has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.generation.decoder_layers import CachedDecoder
from whet.generation.joined_linears import JoinedLinear
from whet.generation.serving.adapter_columns import AdapterColumns, PackedAdapter, RowGroup, group_rows

FEW = 2
"""So many rows a place may have in any case."""
UNEVEN = 1.5
"""A place may have so many times the rows of a mean one."""


@dataclass(slots=True, eq=False)
class Place:
    """Where an adapter's weights lie. `number` changes when others leave."""

    adapter: LaidOut
    number: int
    rows: int = 0

    @property
    def index(self) -> int:
        """The adapter's number for rows and prompts; 0 is the base."""
        return self.number + 1


@dataclass(slots=True, eq=False)
class LaidOut:
    """One adapter's weights, as each joined layer's columns want them (None where it leaves a layer as it is)."""

    parts: list[PackedAdapter | None]
    size: int = field(init=False)
    """Bytes."""

    def __post_init__(self) -> None:
        self.size = sum(part.size for part in self.parts if part is not None)


class AdapterBank:
    """The places of all layers of a decoder, which reads its rows through them from now on."""

    def __init__(self, reader: CachedDecoder, places: int) -> None:
        self.columns = [AdapterColumns(joined, places) for joined in joined_linears(reader)]
        self.most = places
        self.places: list[Place] = []
        self.held: list[LaidOut | None] = [None] * places
        """What was laid into each place last."""
        self.known: tuple[tuple[int, ...], list[RowGroup]] = ((), [])
        reader.adapters = self

    def seat(self, adapter: LaidOut) -> Place:
        """A place for one more row of this adapter."""
        own = [place for place in self.places if place.adapter is adapter]
        best = min(own, key=lambda place: place.rows, default=None)
        if best is None or (best.rows >= self._limit(adapter) and len(self.places) < self.most):
            best = Place(adapter, len(self.places))
            self._lay(best)
            self.places.append(best)

        best.rows += 1
        return best

    def leave(self, place: Place) -> None:
        """A row less; without rows the place goes to the last one."""
        place.rows -= 1
        if place.rows:
            return
        last = self.places.pop()
        if last is not place:
            for columns in self.columns:
                columns.move(last.number, place.number)
            self.places[place.number] = last
            self.held[place.number] = last.adapter
            last.number = place.number

    def choose(self, index_M: Sequence[int], rows: int) -> list[RowGroup]:
        """The rows by place, made anew only when they change."""
        wanted = (rows, *index_M)
        if wanted != self.known[0]:
            self.known = wanted, group_rows(index_M, rows)
        return self.known[1]

    def pack(self, factors: Mapping[int, Any]) -> LaidOut:
        """One adapter's weights: by number of joined layer, what each of its layers has (see AdapterColumns.pack)."""
        return LaidOut([col.pack(factors[n]) if n in factors else None for n, col in enumerate(self.columns)])

    def _limit(self, adapter: LaidOut) -> float:
        adapters = {id(place.adapter) for place in self.places} | {id(adapter)}
        rows = 1 + sum(place.rows for place in self.places)
        return max(FEW, UNEVEN * rows / len(adapters))

    def _lay(self, place: Place) -> None:
        if self.held[place.number] is place.adapter:
            return
        for columns, part in zip(self.columns, place.adapter.parts, strict=True):
            columns.put(place.number, part)
        self.held[place.number] = place.adapter


def joined_linears(reader: CachedDecoder) -> list[JoinedLinear]:
    """Those of all layers, in order: queries with keys and values, output, the MLP's ways in, its way out."""
    return [joined for layer in reader.layers for joined in (layer.reads, layer.output, layer.expand, layer.contract)]
