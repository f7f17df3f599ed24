"""Rows that were made from one template or one passage are joined, as far as they can be held out together.

Legend: R rows, F different frames of prompts, K slot keys.
"""

from __future__ import annotations

import numpy as np

from whet.data.split.disjoint_sets import Union
from whet.data.split.row_traits import Traits
from whet.data.split.slot_piles import slots_by_key

FEWEST = 3
"""Frames that must differ in one slot alone before it is believed to be one: two sentences may be alike by chance."""


def join_frames(traits: Traits, row_R: np.ndarray, most: float, union: Union) -> list[tuple[int, int]]:
    """Join rows of one frame or passage in `union`. A frame of more than `most` rows is left, and named in what is
    given back: (its rows, the position of one). It is the task itself then, as in "What is _ + _ ?", or so much of it
    that it can be learned only together with the other rows. A passage so common is an instruction.
    """
    asked_R = traits.column("asked")[row_R]
    frames = Union(len(row_R))
    frames.join_equal(traits.column("frame")[row_R])
    frames.join_equal(asked_R)
    plain_R = frames.roots()
    _join_slots(traits, row_R, asked_R, frames)
    chained_R = frames.roots()
    # slots that chain too many rows together are no evidence: only the equal frames among them are believed
    root_R = np.where(_size(chained_R) <= most, chained_R, plain_R)
    size_R = _size(root_R)
    left_R = (size_R > most) & (size_R > 1)
    union.join_all(np.where(left_R, np.arange(len(row_R)), root_R))
    _join_passages(traits, row_R, most, union)
    joined_R = union.roots()
    heads = np.flatnonzero(left_R & (root_R == np.arange(len(row_R))))
    # those of one prompt are joined anyway
    apart = [head for head in heads.tolist() if len(np.unique(joined_R[root_R == head])) > 1]

    return [(int(size_R[head]), head) for head in apart]


def _join_passages(traits: Traits, row_R: np.ndarray, most: float, union: Union) -> None:
    """Rows that have one of their two longest passages in common; it may be the longest of one and not of the other."""
    passage_P = np.concatenate([traits.column(name)[row_R] for name in ("passage", "second")])
    position_P = np.tile(np.arange(len(row_R)), 2)
    order = np.argsort(passage_P, kind="stable")
    passage_P, position_P = passage_P[order], position_P[order]
    _, number_P, count = np.unique(passage_P, return_inverse=True, return_counts=True)
    rare_P = (count[number_P] <= most) & (passage_P != b"")

    again = np.flatnonzero(rare_P[1:] & (passage_P[1:] == passage_P[:-1])) + 1
    for one, other in zip(position_P[again - 1].tolist(), position_P[again].tolist(), strict=True):
        union.join(one, other)


def _size(root_R: np.ndarray) -> np.ndarray:
    return np.bincount(root_R, minlength=len(root_R))[root_R]


def _join_slots(traits: Traits, row_R: np.ndarray, asked_R: np.ndarray, frames: Union) -> None:
    """Join the frames of prompts that share a slot with at least FEWEST - 1 others."""
    asked, first = np.unique(asked_R, return_index=True)
    position_F = first[asked != b""]
    for key_K, frame_K in slots_by_key(traits, row_R[position_F]):
        _join_shared(key_K, frame_K, position_F, frames)


def _join_shared(key_K: np.ndarray, frame_K: np.ndarray, position_F: np.ndarray, frames: Union) -> None:
    """The same among keys that are all there are of their values."""
    order = np.lexsort((frame_K, key_K))
    key_K, frame_K = key_K[order], frame_K[order]
    new = np.r_[True, (key_K[1:] != key_K[:-1]) | (frame_K[1:] != frame_K[:-1])][: len(key_K)]
    key_K, frame_K = key_K[new], frame_K[new]

    _, number_K, frames_K = np.unique(key_K, return_inverse=True, return_counts=True)
    shared = frames_K[number_K] >= FEWEST
    number_K, member_K = number_K[shared], position_F[frame_K[shared]]

    again = np.flatnonzero(number_K[1:] == number_K[:-1]) + 1
    for one, other in zip(member_K[again - 1].tolist(), member_K[again].tolist(), strict=True):
        frames.join(one, other)
