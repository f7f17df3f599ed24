"""Rows that belong together: one group, one conversation, the same prompt, one frame or passage, the same words, or
nearly the same words. They stay on one side of a split, and are one draw in a comparison.

Near-duplicates: MinHash over 3-word shingles (Broder 1997) finds candidates in bands, the exact Jaccard similarity of
the shingle sets decides. Frames: whet/data/split/template_groups.py. Everything is deterministic and independent of the
order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from whet.data.split.disjoint_sets import Union
from whet.data.split.row_traits import BANDS, HEAD, Traits
from whet.data.split.template_groups import join_frames

SIMILAR = 0.7
"""Jaccard similarity of two rows' shingles from which they count as near-duplicates."""
COMMON_PROMPT_ROWS, COMMON_PROMPT_SHARE = 10, 0.05
"""A first exchange that more rows share than this is a greeting, and no conversation that goes on in another row. So is
a prompt of a test file of the user's own and the data an instruction ("Write a poem.")."""
LARGE = 0.1
"""More than this share of all rows cannot be held out together: it is what a test part takes by itself."""
AGREEING = 5
"""Of the BANDS bands, those that must agree before two rows are compared. A pair at 70% agrees in fewer with
probability 0.5%, at 75% 0.03%; most pairs at 40% do, and rows from templates have very many of them."""
REMEMBERED = 500_000
"""Pairs found different that are not compared again in the next band."""
STEP = 64
"""Bytes of the words that are compared at a time where the first ones are equal."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Rows that have a prompt or a frame in common and may be on both sides of the split all the same, because they are
    too many to be held out together."""

    kind: Literal["prompt", "frame"]
    rows: int
    first: int
    """Position of one of them."""


def clusters(
    traits: Traits,
    chosen: np.ndarray | None = None,
    near_duplicates: bool = True,
    *,
    own_test: bool = False,
    large: float = LARGE,
    apart: list[Apart] | None = None,
) -> np.ndarray:
    """For each of the `chosen` rows (all, unless given) the smallest position of the rows it belongs together with:
    its own, where it is alone. Positions count within `chosen`.

    What is in `apart` afterwards was not joined, for it is more than the share `large` of the rows. With `own_test` the
    rows are training rows and a test file of the user's own: then a frame or a passage in common is no reason to leave
    training rows out, nor is an instruction.
    """
    if chosen is None:
        row_R = np.arange(len(traits))
    else:
        row_R = np.asarray(chosen)

    union = Union(len(row_R))
    found: list[Apart] = []
    text_R, prompt_R = traits.column("text")[row_R], traits.column("prompt")[row_R]
    union.join_equal(traits.column("group")[row_R])
    union.join_equal(text_R)
    union.join_equal(_uncommon(prompt_R) if own_test else _prompts(prompt_R, large * len(row_R), found))
    union.join_equal(_uncommon(traits.column("opening")[row_R]))

    if near_duplicates:
        _join_near(traits, row_R, text_R, union)
    root_R = union.roots()

    if not own_test:
        most = large * len(row_R)
        found += [Apart("frame", *left) for left in join_frames(traits, row_R, most, union)]
        root_R = _unchained(root_R, union.roots(), most, found)

    if apart is not None:
        apart += found
    return root_R


def _unchained(plain_R: np.ndarray, joined_R: np.ndarray, most: float, apart: list[Apart]) -> np.ndarray:
    """The roots with frames and passages, or without them (`plain_R`) where these chain small clusters to one of more
    than `most` rows."""
    plain, joined = (np.bincount(root_R, minlength=len(root_R)) for root_R in (plain_R, joined_R))
    largest = np.zeros_like(joined)
    np.maximum.at(largest, joined_R, plain[plain_R])
    chained = (joined > most) & (joined > 2 * largest)
    apart += [Apart("frame", int(joined[head]), head) for head in np.flatnonzero(chained).tolist()]
    return np.where(chained[joined_R], plain_R, joined_R)


def _uncommon(digest_R: np.ndarray) -> np.ndarray:
    """The prompts or openings, without those that so many rows share that they are instructions or greetings."""
    _, number_R, count = np.unique(digest_R, return_inverse=True, return_counts=True)
    common = max(COMMON_PROMPT_ROWS, COMMON_PROMPT_SHARE * len(digest_R))
    return np.where(count[number_R] > common, np.bytes_(b""), digest_R)


def _prompts(digest_R: np.ndarray, most: float, apart: list[Apart]) -> np.ndarray:
    """The prompts, however many rows share one: a prompt of more than `most` rows is learned only. Where most rows have
    such prompts ("Write a poem."), there is nothing else to hold out; those are left, and named in `apart`."""
    _, first, number_R, count = np.unique(digest_R, return_index=True, return_inverse=True, return_counts=True)
    large_R = (count[number_R] > most) & (count[number_R] > 1) & (digest_R != b"")
    if 2 * large_R.sum() <= len(digest_R):
        return digest_R
    for number in np.unique(number_R[large_R]).tolist():
        apart.append(Apart("prompt", int(count[number]), int(first[number])))
    return np.where(large_R, np.bytes_(b""), digest_R)


def _join_near(traits: Traits, row_R: np.ndarray, text_R: np.ndarray, union: Union) -> None:
    """Every two neighbours of a run of equal band keys are compared, and every member with the run's first."""
    text, first = np.unique(text_R, return_index=True)
    unique = first[text != b""]  # positions, one for each text
    if len(unique) < 2:
        return

    position_U = unique[_by_words(traits, row_R[unique])]

    @lru_cache(maxsize=512)
    def shingles(position: int) -> frozenset[int]:
        return traits.shingles_of(int(row_R[position]))

    def similar(one: int, other: int) -> bool:
        left, right = shingles(one), shingles(other)
        shared = len(left & right)
        return shared >= SIMILAR * (len(left) + len(right) - shared)

    alike = _Agreement(traits, row_R)
    different = np.zeros(0, dtype=np.int64)
    for band in range(BANDS):
        pairs = _candidates(traits.band(band)[row_R[position_U]], position_U)
        root_R = union.roots()
        pairs = alike(pairs[root_R[pairs[:, 0]] != root_R[pairs[:, 1]]])
        code = pairs.min(axis=1) * len(row_R) + pairs.max(axis=1)
        new = np.flatnonzero(~np.isin(code, different))

        apart = []
        for number in new.tolist():
            one, other = int(pairs[number, 0]), int(pairs[number, 1])
            if union.root(one) == union.root(other):
                continue

            if similar(one, other):
                union.join(one, other)
            else:
                apart.append(int(code[number]))
        different = np.union1d(different, np.array(apart, dtype=np.int64))[:REMEMBERED]


class _Agreement:
    """Of pairs of positions, those whose bands agree often enough. It keeps two bytes of each band in memory."""

    def __init__(self, traits: Traits, row_R: np.ndarray) -> None:
        bands = [traits.band(band)[row_R].astype(np.uint16) for band in range(BANDS)]
        self._key_RB = np.stack(bands, axis=1)

    def __call__(self, pairs: np.ndarray) -> np.ndarray:
        equal = (self._key_RB[pairs[:, 0]] == self._key_RB[pairs[:, 1]]).sum(axis=1)
        return pairs[equal >= AGREEING]


def _candidates(key_U: np.ndarray, position_U: np.ndarray) -> np.ndarray:
    """Pairs of positions, P x 2, from the runs of equal keys."""
    order = np.argsort(key_U, kind="stable")
    sorted_U = key_U[order]
    later = np.flatnonzero(sorted_U[1:] == sorted_U[:-1]) + 1
    begin_U = np.maximum.accumulate(np.where(np.r_[True, sorted_U[1:] != sorted_U[:-1]], np.arange(len(order)), 0))
    neighbours = np.stack([order[later - 1], order[later]], axis=1)
    heads = np.stack([order[begin_U[later]], order[later]], axis=1)
    return position_U[np.concatenate([neighbours, heads[begin_U[later] != later - 1]])]


def _by_words(traits: Traits, row_U: np.ndarray) -> np.ndarray:
    """The order of rows by their words, whatever their place in the file. All words are different.

    Only the first bytes of the words are in memory; where they are equal, more is read from disk, a step at a time.
    """
    head_U, length_U = traits.column("head")[row_U], traits.column("length")[row_U]
    order = np.lexsort((length_U, head_U))
    opens = np.r_[True, head_U[order][1:] != head_U[order][:-1]]  # begins a group of equal beginnings

    offset = HEAD
    while True:
        group = np.cumsum(opens)
        tied = np.flatnonzero((np.bincount(group)[group] > 1) & (length_U[order] > offset))
        if not len(tied):
            return order

        member = order[tied]
        part = np.array([traits.words_at(int(row), offset, STEP) for row in row_U[member]], dtype=f"S{STEP}")
        inner = np.lexsort((length_U[member], part, group[tied]))
        order[tied], part = member[inner], part[inner]
        opens[tied[1:]] |= part[1:] != part[:-1]
        opens[tied[np.r_[True, np.diff(tied) > 1]]] = True  # what comes before it has ended already
        offset += STEP
