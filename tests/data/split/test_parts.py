"""The split: by content, in proportion, and with nothing of one side on the other."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from tests.data import plain_split
from whet.data.split import clusters as found_clusters
from whet.data.split import parts as found_split
from whet.data.split.clusters import SIMILAR
from whet.data.split.parts import size_of
from whet.data.split.row_traits import Traits, words_of
from whet.errors import DataError
from whet.recipe.schema import Split
from whet.types import Row

WORDS = [f"word{number}" for number in range(400)]


def clusters(rows: list[Row]) -> list[int]:
    return found_clusters.clusters(Traits.of(rows)).tolist()


def split(rows: list[Row], settings: Split, seed: int) -> plain_split.Parts:
    parts = found_split.split(Traits.of(rows, settings.near_duplicates), settings, seed)
    return plain_split.Parts(*(side.tolist() for side in (parts.train, parts.validation, parts.test)))


def leaks(train: list[Row], test: list[Row]) -> list[int]:
    traits = Traits.of([*train, *test])
    return found_split.leaks(traits, np.arange(len(train)), np.arange(len(train), len(traits))).tolist()


def row(index: int, prompt: str, answer: str = "yes", label: str | None = None, group: str | None = None) -> Row:
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return Row(index, f"x:{index}", messages, label=label, group=group)


def varied(count: int, seed: int = 0, words: int = 12) -> list[Row]:
    rng = random.Random(seed)
    return [row(n, " ".join(rng.choices(WORDS, k=words))) for n in range(count)]


def test_every_row_is_in_exactly_one_part() -> None:
    parts = split(varied(200), Split(), seed=0)
    assert sorted(parts.train + parts.validation + parts.test) == list(range(200))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (160, 20, 20)


def test_the_order_of_the_file_does_not_matter() -> None:
    rows = varied(100)
    rows += [row(100 + n, rows[n].messages[0]["content"] + " more", label=None) for n in range(20)]
    shuffled = random.Random(1).sample(rows, len(rows))

    def held(of: list[Row]) -> tuple[set[int], set[int]]:
        parts = split(of, Split(), seed=0)
        return {of[position].index for position in parts.test}, {of[position].index for position in parts.validation}

    assert held(rows) == held(shuffled)


def test_another_seed_gives_another_split() -> None:
    rows = varied(100)
    assert split(rows, Split(), seed=0).test != split(rows, Split(), seed=1).test


def test_labels_are_held_out_in_proportion() -> None:
    rows = varied(400)
    for number, one in enumerate(rows):
        one.label = "rare" if number % 8 == 0 else "common"
    parts = split(rows, Split(), seed=0)
    assert Counter(rows[position].label for position in parts.test) == {"rare": 5, "common": 35}
    assert Counter(rows[position].label for position in parts.validation) == {"rare": 5, "common": 35}


def test_groups_stay_together() -> None:
    rows = varied(120)
    for number, one in enumerate(rows):
        one.group = f"user {number // 3}"
    parts = split(rows, Split(), seed=0)
    sides = [{rows[position].group for position in part} for part in (parts.train, parts.validation, parts.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert len(parts.test) == 12


def test_near_duplicates_stay_together_and_may_be_allowed_apart() -> None:
    rows = varied(60, words=20)
    twins = [row(60 + n, rows[n].messages[0]["content"] + " indeed") for n in range(60)]
    both = rows + twins
    parts = split(both, Split(), seed=0)
    side = {position: name for name in ("train", "validation", "test") for position in getattr(parts, name)}
    assert all(side[n] == side[60 + n] for n in range(60))
    apart = split(both, Split(near_duplicates=False), seed=0)
    side = {position: name for name in ("train", "validation", "test") for position in getattr(apart, name)}
    assert any(side[n] != side[60 + n] for n in range(60))


def test_near_duplicates_are_those_of_the_definition() -> None:
    """Against the plain definition: connected components of pairs with Jaccard similarity >= 0.7."""
    rng = random.Random(3)
    texts = [rng.choices(WORDS[:60], k=rng.randint(2, 25)) for _ in range(60)]
    for _ in range(120):
        copy = list(rng.choice(texts))
        for _ in range(rng.randint(0, 3)):
            copy[rng.randrange(len(copy))] = rng.choice(WORDS)
        texts.append(copy)
    rows = [row(n, " ".join(text), answer=f"answer {n}") for n, text in enumerate(texts)]

    def shingles(one: Row) -> set:
        words = words_of(one)
        return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}

    sets = [shingles(one) for one in rows]
    wanted = list(range(len(rows)))
    for one in range(len(rows)):
        for other in range(one):
            same_prompt = texts[one] == texts[other]
            similar = len(sets[one] & sets[other]) / len(sets[one] | sets[other]) >= SIMILAR
            if same_prompt or similar:
                low, high = sorted((wanted[one], wanted[other]))
                wanted = [low if root == high else root for root in wanted]
    assert clusters(rows) == wanted


def test_one_question_with_two_answers_stays_together_but_an_instruction_does_not() -> None:
    rows = varied(40)
    rows += [row(40, rows[0].messages[0]["content"], "an entirely different answer with many other words in it")]
    found = clusters(rows)
    assert found[0] == found[40]
    poems = [row(n, "Write a poem.", one.messages[0]["content"]) for n, one in enumerate(varied(40))]
    assert len(set(clusters(poems))) == 40


def test_system_prompts_do_not_make_rows_alike() -> None:
    rows = varied(30)
    for one in rows:
        one.messages.insert(0, {"role": "system", "content": " ".join(WORDS[:100])})
    assert len(set(clusters(rows))) == 30


def test_too_few_rows_are_refused_with_the_number_needed() -> None:
    for count in (0, 1, 2):
        with pytest.raises(DataError, match="make 3"):
            split(varied(count), Split(), seed=0)
    parts = split(varied(3), Split(), seed=0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (1, 1, 1)
    with pytest.raises(DataError, match="make 61"):
        split(varied(50), Split(test=50, validation=10), seed=0)
    assert split(varied(2), Split(test=0, validation=0), seed=0).train == [0, 1]


def test_rows_that_all_belong_together_are_refused() -> None:
    rows = [row(n, "the very same words each time and more of them", group="one") for n in range(30)]
    with pytest.raises(DataError, match="one group or near-duplicates"):
        split(rows, Split(), seed=0)


def test_a_row_that_cannot_be_scored_is_not_a_test_row() -> None:
    rows = varied(50)
    for one in rows[:40]:
        one.messages.append({"role": "user", "content": "and?"})
    parts = split(rows, Split(test=8), seed=0)
    assert len(parts.test) == 8 and all(rows[position].reference for position in parts.test)


def test_leaks_into_a_test_file_are_found() -> None:
    train, test = varied(50), varied(20, seed=9)
    train[7] = row(7, test[3].messages[0]["content"] + " too")
    assert leaks(train, test) == [7]


def test_a_conversation_that_goes_on_in_another_row_stays_together_but_a_greeting_does_not() -> None:
    begun, later = varied(40), varied(40, seed=9, words=40)
    longer = [Row(40 + n, "x", [*one.messages, *later[n].messages]) for n, one in enumerate(begun)]
    longer[0].messages.insert(0, {"role": "system", "content": "be brief"})
    found = clusters(begun + longer)
    assert found == [n % 40 for n in range(80)]
    assert leaks(begun, [longer[7]]) == [7] and leaks(longer, [begun[7]]) == [7]
    hello = [Row(n, "x", [*row(n, "Hi", "Hello!").messages, *one.messages]) for n, one in enumerate(later)]
    assert len(set(clusters(hello))) == 40


def test_sizes() -> None:
    assert size_of(0.1, 500, 30) == 3 and size_of(0.1, 500, 4) == 1 and size_of(0.1, 500, 90_000) == 500
    assert size_of(0, 500, 30) == 0 and size_of(25, 10, 30) == 25


def test_many_rows_are_fast() -> None:
    import time

    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(WORDS), (20_000, 20))
    rows = [row(n, " ".join(WORDS[word] for word in line)) for n, line in enumerate(picks)]
    begin = time.perf_counter()
    clusters(rows)
    assert time.perf_counter() - begin < 8, "100k rows in 20 s would need 4 s on a free core"


def muddle(count: int, seed: int, head: str = "") -> list[Row]:
    """Rows with copies, near-copies, common prompts, groups, labels and empty answers, after one common beginning."""
    rng = random.Random(seed)
    texts = [rng.choices(WORDS[:80], k=rng.randint(1, 40)) for _ in range(count // 4)]
    rows = []
    for number in range(count):
        words = list(rng.choice(texts))
        for _ in range(rng.randint(0, 6)):
            words[rng.randrange(len(words))] = rng.choice(WORDS)
        answer = rng.choice(["yes", "", " ".join(words[:3]), f"answer {number}"])
        group = rng.choice([None, None, f"group {rng.randrange(count)}"])
        prompt = "the very same question" if rng.random() < 0.1 else head + " ".join(words)
        rows.append(row(number, prompt, answer, rng.choice([None, "one", "two"]), group))
        if rng.random() < 0.2:  # the conversation goes on
            rows[-1].messages += row(0, " ".join(rng.choices(WORDS, k=50)), f"later {number}").messages
    return rows


@pytest.mark.parametrize("head", ["", "the same long beginning of every row, " * 5])
@pytest.mark.parametrize("near", [True, False])
def test_the_split_is_the_one_of_the_plain_definition(head: str, near: bool) -> None:
    for seed in range(4):
        rows = muddle(300 + seed, seed, head)
        settings = Split(near_duplicates=near, test=0.2, validation=12)
        assert found_clusters.clusters(Traits.of(rows, near), near_duplicates=near).tolist() == plain_split.clusters(
            rows, near
        )
        assert split(rows, settings, seed) == plain_split.split(rows, settings, seed)


def test_traits_that_came_in_pieces_are_those_that_came_at_once() -> None:
    from whet.data.split.row_traits import compute_traits

    rows = muddle(200, 7)
    pieces = Traits()
    for begin in range(0, 200, 33):
        pieces.add(compute_traits(rows[begin : begin + 33]))
    assert found_clusters.clusters(pieces).tolist() == clusters(rows)
    some = np.arange(3, 200, 2)
    assert found_clusters.clusters(pieces, some).tolist() == clusters([rows[number] for number in some])


def test_a_share_of_the_training_rows_lies_in_every_larger_one_and_leaves_the_rest_as_it_was() -> None:
    rows = [row(n, f"{WORDS[n]} {WORDS[n + 1]} {n}", group=f"g{n // 3}") for n in range(300)]
    traits = Traits.of(rows, False)
    parts = {
        share: found_split.split(traits, Split(near_duplicates=False, train_share=share), 4)
        for share in (0.001, 0.125, 0.25, 0.5, 1.0)
    }
    whole = parts.pop(1.0)
    before: set[int] = set()
    assert not len(whole.left_out)
    for share, part in parts.items():
        kept = set(part.train.tolist())
        assert kept > before and len(kept) == pytest.approx(max(3, share * len(whole.train)), abs=3)
        assert kept | set(part.left_out.tolist()) == set(whole.train.tolist())
        assert part.test.tolist() == whole.test.tolist() and part.validation.tolist() == whole.validation.tolist()
        assert not {rows[n].group for n in kept} & {rows[n].group for n in part.left_out}, "whole groups"
        before = kept
