"""Keys and values of the answers being written: a slot an answer, written in place, the live ones side by side.

What lies beyond an answer's length is hidden by a bias of -inf; it is zero or left over, never undefined. Column 0 of
a slot that nobody uses stays visible, so that rows which only round up a batch stay finite.
Shapes: N layers, S slots, B of them, J key heads, X = 2J for keys and values, C capacity in tokens, K head size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ALIGNED = 64
"""Bytes that torch's kernels like memory to begin at a multiple of."""


@dataclass(frozen=True, slots=True)
class NextSlots:
    """Room for one more token in the first B slots."""

    place_B: Tensor
    """The position of the token."""
    where_BX: Tensor
    """Rows of a layer's cache, (SXC, K), that its keys and values go to."""
    bias_B11C: Tensor
    """0 for the positions that a slot holds and -inf for others, up to the longest length."""


def untouched_zeros(like: Tensor, *shape: int) -> Tensor:
    """Zeros that take memory only where they are written: a processor's pages of zeros are one until then."""
    if like.device.type != "cpu":
        return like.new_zeros(shape)

    size = math.prod(shape) * like.element_size()
    room = np.zeros(size + ALIGNED, np.uint8)
    first = -room.ctypes.data % ALIGNED
    return torch.from_numpy(room[first : first + size]).view(like.dtype).view(shape)


class SlotCache:
    """Slots 0 .. live-1 are in use."""

    def __init__(self, layers: int, slots: int, heads: int, capacity: int, size: int, like: Tensor) -> None:
        self.kv_NSXCK = untouched_zeros(like, layers, slots, 2 * heads, capacity, size)
        self.bias_SC = like.new_full((slots, capacity), float("-inf"))
        self.bias_SC[:, 0] = 0
        self.lengths = [0] * slots
        self.starts_SX = torch.arange(2 * slots * heads, device=like.device).view(slots, -1) * capacity
        self.live = 0

    @torch.inference_mode()
    def take(self, length: int) -> int:
        """A slot for a prompt of this length."""
        slot, self.live = self.live, self.live + 1
        self.lengths[slot] = length
        self.bias_SC[slot, :length] = 0
        return slot

    def lengthen(self, tokens: int) -> int:
        """Room for more tokens of the prompt in slot 0, which is read in pieces. Returns its new length."""
        self.lengths[0] += tokens
        return self.lengths[0]

    @torch.inference_mode()
    def adopt(self, other: SlotCache) -> int:
        """A slot for what lies in slot 0 of another cache, which is empty afterwards."""
        length = other.lengths[0]
        slot = self.take(length)
        self.kv_NSXCK[:, slot, :, :length] = other.kv_NSXCK[:, 0, :, :length]
        other.lengths[0] = 0
        return slot

    @torch.inference_mode()
    def release(self, slot: int) -> int:
        """Let a slot go; the last live one moves into its place. Returns which one moved (maybe itself)."""
        last = self.live - 1
        if slot != last:
            length = self.lengths[last]
            self.kv_NSXCK[:, slot, :, :length] = self.kv_NSXCK[:, last, :, :length]
            self.bias_SC[slot] = self.bias_SC[last]
            self.lengths[slot] = length

        self.bias_SC[last, 1:] = float("-inf")
        self.lengths[last] = 0
        self.live = last
        return last

    @torch.inference_mode()
    def grow(self, rows: int) -> NextSlots:
        """Make room for one more token in slots 0 .. rows-1."""
        places = self.lengths[:rows]
        place_B = torch.tensor(places, device=self.bias_SC.device)
        self.bias_SC[:rows].scatter_(1, place_B[:, None], 0.0)
        for slot in range(self.live):
            self.lengths[slot] += 1
        bias_B11C = self.bias_SC[:rows, None, None, : max(places) + 1]
        return NextSlots(place_B, self.starts_SX[:rows] + place_B[:, None], bias_B11C)
