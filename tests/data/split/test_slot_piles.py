"""Slot keys in piles on disk: every key is there once for each frame, and all of one value together."""

from __future__ import annotations

import numpy as np
import pytest

from whet.data.split import slot_piles
from whet.data.split.row_traits import Traits
from whet.types import Row

WORDS = "kettle lamp tent drill chair coat phone bag book bell fan rug pen cup jar mat net oar pot saw".split()


def traits_of(rows: int) -> Traits:
    asked = (f"how much does the {WORDS[n % 20]} cost in our shop on day {WORDS[n * 7 % 20]}" for n in range(rows))
    messages = ([{"role": "user", "content": text}, {"role": "assistant", "content": "five"}] for text in asked)
    return Traits.of([Row(n, f"a:{n}", found) for n, found in enumerate(messages)])


def entries(traits: Traits, row_F: np.ndarray) -> list[list[tuple[int, int]]]:
    return [list(zip(*map(np.ndarray.tolist, pile), strict=True)) for pile in slot_piles.slots_by_key(traits, row_F)]


def test_few_keys_are_one_pile_in_the_order_of_the_rows() -> None:
    traits = traits_of(30)
    count_R = traits.column("slots")
    begin_R = np.cumsum(count_R) - count_R
    row_F = np.array([12, 3, 29])
    wanted = [
        (int(key), frame)
        for frame in (1, 0, 2)
        for key in traits.slots(int(begin_R[row_F[frame]]), int(begin_R[row_F[frame]] + count_R[row_F[frame]]))
    ]
    assert count_R[3] > 10 and entries(traits, row_F) == [wanted]


def test_many_piles_hold_the_same_and_a_key_lies_in_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    traits, row_F = traits_of(60), np.arange(60)[::-1]
    (whole,) = entries(traits, row_F)
    monkeypatch.setattr(slot_piles, "MOST_KEYS", 100)
    monkeypatch.setattr(slot_piles, "SLAB", 7)
    piles = entries(traits, row_F)
    assert len(piles) > 4 and sorted(entry for pile in piles for entry in pile) == sorted(whole)
    keys = [{key for key, _ in pile} for pile in piles]
    assert sum(map(len, keys)) == len(set().union(*keys)), "no key lies in two piles"
    ends = [(min(pile), max(pile)) for pile in keys if pile]
    assert all(high < low for (_, high), (low, _) in zip(ends, ends[1:], strict=False)), "in rising order"


def test_rows_without_slots_are_one_empty_pile() -> None:
    assert entries(traits_of(5), np.zeros(0, np.int64)) == [[]]
