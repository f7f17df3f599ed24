"""The slot keys of many frames, all of one key together, without holding all keys at once.

A row has up to a hundred keys, and to sort them takes some fifty bytes a key: five gigabytes for a million rows. So
they are first thrown into piles on disk by their highest bits, and each pile is then looked at by itself.

Legend: R rows, F frames, K slot keys.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from whet.data.split.row_traits import Traits
from whet.data.spool import Spool

MOST_KEYS = 1 << 18
"""Keys of a pile, as long as there are not too many piles: some 15 MB while one is sorted."""
MOST_BITS = 6
"""Highest bits of a key that choose its pile: 64 open files at most."""
SLAB = 2048
"""Rows whose keys are read at a time."""
ENTRY = np.dtype([("key", np.uint64), ("frame", np.uint32)])


def slots_by_key(traits: Traits, row_F: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(key, frame) of every slot that the frames of these rows may have, pile by pile and in rising order of the piles'
    keys; what has equal keys is in one pile. Raises DiskFullError."""
    total = int(traits.column("slots")[row_F].sum())
    bits = min(MOST_BITS, max(0, -(-total // MOST_KEYS) - 1).bit_length())
    piles = [traits.spool() for _ in range(1 << bits)]
    for entry_K in _entries(traits, row_F):
        _throw(entry_K, piles, bits)

    for pile in piles:
        entry_K = np.frombuffer(pile.read(0, pile.size), ENTRY)
        yield entry_K["key"], entry_K["frame"]


def _entries(traits: Traits, row_F: np.ndarray) -> Iterator[np.ndarray]:
    """ENTRY of the frames' keys, some rows at a time, in the order of the rows."""
    count_R = traits.column("slots")
    end_R = np.cumsum(count_R, dtype=np.int64)
    order_F = np.argsort(row_F, kind="stable")
    for first in range(0, len(count_R), SLAB):
        last = min(first + SLAB, len(count_R))
        begin = int(end_R[first] - count_R[first])
        key_K = traits.slots(begin, int(end_R[last - 1]))

        low, high = np.searchsorted(row_F[order_F], (first, last))
        frame_F = order_F[low:high]
        count_F = count_R[row_F[frame_F]]
        frame_K = np.repeat(frame_F, count_F)
        place_K = np.arange(len(frame_K)) - np.repeat(np.cumsum(count_F) - count_F, count_F)
        start_K = np.repeat((end_R - count_R)[row_F[frame_F]] - begin, count_F)

        entry_K = np.empty(len(frame_K), ENTRY)
        entry_K["key"], entry_K["frame"] = key_K[start_K + place_K], frame_K
        yield entry_K


def _throw(entry_K: np.ndarray, piles: list[Spool], bits: int) -> None:
    """Append each entry to the pile of its key."""
    if not bits:
        piles[0].append(entry_K.tobytes())
        return
    pile_K = (entry_K["key"] >> np.uint64(64 - bits)).astype(np.int64)
    entry_K = entry_K[np.argsort(pile_K, kind="stable")]
    end_P = np.cumsum(np.bincount(pile_K, minlength=len(piles)))
    for pile, part_K in zip(piles, np.split(entry_K, end_P[:-1]), strict=True):
        pile.append(part_K.tobytes())
