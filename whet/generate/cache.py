"""Keys and values of the answers being written: a slot an answer, written in place, the live ones side by side.

What lies beyond an answer's length is hidden by a bias of -inf; it is zero or left over, never undefined. Column 0 of
a slot that nobody uses stays visible, so that rows which only round up a batch stay finite.
Shapes: N layers, S slots, J key heads (keys first, then values: 2J), C capacity in tokens, K head size.
"""

from __future__ import annotations

import torch
from torch import Tensor


class SlotCache:
    """Slots 0 .. live-1 are in use."""

    def __init__(self, layers: int, slots: int, heads: int, capacity: int, size: int, like: Tensor) -> None:
        self.kv_NSJCK = like.new_zeros(layers, slots, 2 * heads, capacity, size)
        self.bias_SC = like.new_full((slots, capacity), float("-inf"))
        self.bias_SC[:, 0] = 0
        self.lengths = [0] * slots
        self.heads_J = torch.arange(2 * heads, device=like.device)[None]
        self.slots_S1 = torch.arange(slots, device=like.device)[:, None]
        self.live = 0

    @torch.inference_mode()
    def take(self, length: int) -> int:
        """A slot for a prompt of this length."""
        slot, self.live = self.live, self.live + 1
        self.lengths[slot] = length
        self.bias_SC[slot, :length] = 0
        return slot

    @torch.inference_mode()
    def release(self, slot: int) -> int:
        """Let a slot go; the last live one moves into its place. Returns which one moved (maybe itself)."""
        last = self.live - 1
        if slot != last:
            length = self.lengths[last]
            self.kv_NSJCK[:, slot, :, :length] = self.kv_NSJCK[:, last, :, :length]
            self.bias_SC[slot] = self.bias_SC[last]
            self.lengths[slot] = length
        self.bias_SC[last, 1:] = float("-inf")
        self.lengths[last] = 0
        self.live = last
        return last

    @torch.inference_mode()
    def grow(self, rows: int) -> tuple[Tensor, Tensor, int]:
        """Make room for one more token in slots 0 .. rows-1: its place (rows, 1), the bias, and the longest length."""
        places = self.lengths[:rows]
        place_S1 = torch.tensor(places, device=self.bias_SC.device)[:, None]
        self.bias_SC[:rows].scatter_(1, place_S1, 0.0)
        for slot in range(self.live):
            self.lengths[slot] += 1
        longest = max(places) + 1
        return place_S1, self.bias_SC[:rows, None, None, :longest], longest
