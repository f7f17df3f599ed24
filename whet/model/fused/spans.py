"""How the trees of a batch are cut into spans for attention: neighbours on T that are computed together.

A single tree needs no gathering: its tokens lie side by side, and what its rounded length reaches over its end is seen
by none of its queries. Trees of equal length are a view too. Others share a span when the padding costs less time
than another round of small operations would.
Shapes: n trees of a span, L their padded length, T tokens of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from whet.data.batches.forest import trees_of
from whet.model.attention.forest import LENGTH_GRAIN, ForestLayout, family, lengths_of_trees, round_up
from whet.types import Batch

ROUND = 24_576
"""Attention scores that cost as much time as one more round of small operations; measured on two cores."""


@dataclass(slots=True)
class Span:
    """Tokens start..stop of T: n trees, padded to L."""

    start: int
    stop: int
    lengths: list[int]
    """Tokens of each tree."""
    length: int
    """L: what they are padded to."""
    gather: Tensor | None = None
    """Index into T of each of n x L slots; None where T itself, from `start` on, is the padded layout."""
    scatter: Tensor | None = None
    """Slot of each token start..stop; None where that is the order of slots."""
    family_nLL: Tensor | None = None
    """May the query attend to the key? None for plain causal."""
    positions_nL: Tensor | None = None
    """Along the path; None where it is the place in the row."""
    biases: dict[tuple[int | None, torch.dtype, int], Tensor] = field(default_factory=dict)

    @property
    def trees(self) -> int:
        return len(self.lengths)

    def bias(self, window: int | None, dtype: torch.dtype, group: int) -> Tensor:
        """0 where a query may look and -inf elsewhere, (n or 1, L * group, L): each query comes `group` times."""
        key = (window, dtype, group)
        if key not in self.biases:
            self.biases[key] = self._bias(window, dtype, group)
        return self.biases[key]

    def _bias(self, window: int | None, dtype: torch.dtype, group: int) -> Tensor:
        order_L = torch.arange(self.length)
        if self.family_nLL is None:
            visible_nLL = (order_L[:, None] >= order_L[None, :])[None]
        else:
            visible_nLL = self.family_nLL

        if window is not None:
            if self.positions_nL is None:
                at_nL = order_L[None]
            else:
                at_nL = self.positions_nL
            visible_nLL = visible_nLL & (at_nL[:, :, None] - at_nL[:, None, :] < window)

        bias_nLL = torch.zeros(visible_nLL.shape, dtype=dtype).masked_fill_(~visible_nLL, float("-inf"))
        return bias_nLL.repeat_interleave(group, dim=1)


def spans_of(layout: ForestLayout, tokens: int, heads: int) -> list[Span]:
    """The spans of a forest; `tokens` is T with its padding. The cut is made once a batch."""
    if heads not in layout.spans:
        layout.spans[heads] = _spans(layout, tokens, heads)
    return layout.spans[heads]


def cut(lengths: Sequence[int], heads: int) -> list[tuple[int, int]]:
    """Runs of trees (first, one past the last) that are computed together."""
    runs: list[tuple[int, int]] = []
    first, longest = 0, round_up(lengths[0], LENGTH_GRAIN)
    for number in range(1, len(lengths)):
        mine = round_up(lengths[number], LENGTH_GRAIN)
        wider, count = max(longest, mine), number - first

        added = (count + 1) * wider**2 - count * longest**2 - mine**2
        if added * heads > ROUND:
            runs.append((first, number))
            first, wider = number, mine
        longest = wider

    return [*runs, (first, len(lengths))]


def _spans(layout: ForestLayout, tokens: int, heads: int) -> list[Span]:
    batch = layout.batch
    members = trees_of(batch.parents)
    if [segment for group in members for segment in group] != list(range(len(batch.parents))):
        return [_span(batch, members, 0, sum(batch.lengths), tokens)]  # trees that are interleaved on T
    lengths = lengths_of_trees(batch, members)

    spans, at = [], 0
    for first, end in cut(lengths, heads):
        stop = at + sum(lengths[first:end])
        spans.append(_span(batch, members[first:end], at, stop, tokens))
        at = stop

    return spans


def _span(batch: Batch, members: list[list[int]], start: int, stop: int, tokens: int) -> Span:
    lengths = lengths_of_trees(batch, members)
    single, longest = all(len(group) == 1 for group in members), max(lengths)

    length = round_up(longest, LENGTH_GRAIN)
    if single and min(lengths) == longest and (len(lengths) > 1 or length == longest):
        return Span(start, stop, lengths, longest)
    if single and len(lengths) == 1 and start + length <= tokens:
        return Span(start, stop, lengths, length)

    gather_nL = torch.full((len(members), length), start)
    segment_nL = torch.full((len(members), length), -1)

    scatter = torch.empty(stop - start, dtype=torch.long)
    for row, group in enumerate(members):
        index = torch.cat([_tokens_of(batch, segment) for segment in group])
        own_lengths = torch.tensor([batch.lengths[segment] for segment in group])
        gather_nL[row, : len(index)] = index
        segment_nL[row, : len(index)] = torch.repeat_interleave(torch.tensor(group), own_lengths)
        scatter[index - start] = torch.arange(len(index)) + row * length

    if single:
        return Span(start, stop, lengths, length, gather_nL.flatten(), scatter)

    positions_nL = batch.positions_T[gather_nL]
    family_nLL = family(batch.parents, segment_nL, positions_nL)
    return Span(start, stop, lengths, length, gather_nL.flatten(), scatter, family_nLL, positions_nL)


def _tokens_of(batch: Batch, segment: int) -> Tensor:
    """Where the tokens of a segment lie on T."""
    start = batch.starts[segment]
    return torch.arange(start, start + batch.lengths[segment])
