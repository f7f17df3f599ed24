"""Rows from one template, one prompt or one passage: never on both sides of the split, and one draw in a comparison."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from tests.data import plain_split
from tests.data.split.test_parts import WORDS, clusters, row, varied
from whet.data.held_out_clusters import drawn_together, found_together, name_clusters, notes_on_both_sides
from whet.data.split import parts as found_split
from whet.data.split.clusters import clusters as found_clusters
from whet.data.split.parts import Parts
from whet.data.split.row_traits import Traits
from whet.data.split.skeletons import GAP, frame_of, with_gaps
from whet.recipe.schema import Split
from whet.types import Row

NAMES = "Anna Ben Carla Dirk Eva Femi Goran Hana Ivo Jun Kofi Lena Mira Nils Olga Pia".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(random: random.Random, count: int) -> list[str]:
    return ["".join(random.choices(LETTERS, k=6)) for _ in range(count)]


def planted(frames: int, each: int, seed: int = 0, small: bool = False) -> list[Row]:
    """Rows with other names and numbers (or other small words) in one sentence for each frame; label: the frame."""
    rng = random.Random(seed)
    rows = []
    for frame in range(frames):
        fixed = words(rng, 8)
        for _ in range(each):
            thing = " ".join(words(rng, rng.randint(1, 3))) if small else f"parcel {rng.randrange(10_000)}"
            text = f"{rng.choice(NAMES)} {' '.join(fixed[:4])} the {thing} {' '.join(fixed[4:])} ?"
            rows.append(row(len(rows), text, f"answer {frame} for {rng.choice(NAMES)}", label=None))
    rng.shuffle(rows)
    for number, one in enumerate(rows):
        one.index, one.where = number, f"x:{number}"
    return rows


def split(rows: list[Row], **settings: object) -> Parts:
    return found_split.split(Traits.of(rows), Split.model_validate(settings), 0)


def answered(one: Row) -> str:
    return one.reference.split(" for ")[0]


def sides(rows: list[Row], parts: Parts, key=answered) -> list[set[str]]:
    return [{key(rows[n]) for n in part} for part in (parts.train, parts.validation, parts.test)]


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(("frames", "each"), [(40, 10), (20, 20), (200, 2), (10, 30)])
def test_no_frame_is_on_both_sides(frames: int, each: int, small: bool) -> None:
    if small and each < 3:
        pytest.skip("a slot for small words is believed from three on")
    rows = planted(frames, each, small=small)
    parts = split(rows)
    train, validation, test = sides(rows, parts)
    assert not train & test and not validation & test and not train & validation
    assert not parts.apart and len(set(parts.cluster.tolist())) == len(test)


def test_without_frames_they_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whet.data.split.clusters.join_frames", lambda *arguments: [])
    train, _, test = sides(rows := planted(40, 10), split(rows))
    assert train & test


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_no_prompt_with_many_right_answers_is_on_both_sides(share: float) -> None:
    rows = varied(400)
    for n in range(round(share * 400)):
        rows[n] = row(n, "Name a colour that you like.", f"number {n}: " + " ".join(rows[n].messages[0]["content"]))
    parts = split(rows)
    asked = [sum(rows[n].messages[0]["content"].startswith("Name a") for n in p) for p in (parts.train, parts.test)]
    assert 0 in asked and sum(asked) > 0 and not parts.apart


def test_a_prompt_that_most_rows_share_is_left_apart_and_named() -> None:
    rows = [row(n, "Write a poem.", one.messages[0]["content"]) for n, one in enumerate(varied(300))]
    parts = split(rows)
    assert [(one.kind, one.rows) for one in parts.apart] == [("prompt", 300)] and len(parts.test) == 30
    assert len(set(parts.cluster.tolist())) == 30, "the verdict is about this prompt: its answers are the draws"
    sentence = notes_on_both_sides([{"kind": "prompt", "rows": 300, "where": "x:0"}])[0]
    assert sentence.startswith("300 rows have the same prompt (as x:0)") and "both sides" in sentence


def test_a_frame_that_is_the_task_itself_is_left_apart_and_named() -> None:
    rng = random.Random(0)
    pairs = [(rng.randrange(9999), rng.randrange(9999)) for _ in range(300)]
    rows = [row(n, f"Please tell me what is {a} and {b} together?", str(a + b)) for n, (a, b) in enumerate(pairs)]
    parts = split(rows)
    assert [(one.kind, one.rows) for one in parts.apart] == [("frame", 300)]
    assert len(parts.test) == 30 and len(set(parts.cluster.tolist())) == 30
    assert "other templates" in notes_on_both_sides([{"kind": "frame", "rows": 300, "where": "x:0"}])[0]


def test_where_clusters_are_large_and_labels_many_the_test_part_is_still_filled() -> None:
    rows = planted(40, 10)
    for one in rows:
        one.label = answered(one)
    parts = split(rows)
    assert len(parts.test) == 40 and len(set(parts.cluster.tolist())) == 4


def test_no_cluster_takes_most_of_the_test_part_while_smaller_ones_can_fill_it() -> None:
    for seed in range(20):
        rows = varied(300, seed)
        for n in range(25):
            rows[n].group = "one user"
        assert max(Counter(split(rows).cluster.tolist()).values()) <= 5


def test_gaps() -> None:
    assert with_gaps("Anna Bell owes 3,50 euros to Ben (I think).")[0] == [
        *(GAP, "owes", GAP, ",", GAP, "euros", "to", GAP, "(", "i", "think", ")", ".")
    ]
    assert with_gaps("Anna Bell owes")[1:] == (3, 1)


def test_what_is_no_frame() -> None:
    none = ["Anna has 3 apples", "", "12 + 14 =", "ANNA BELL PARIS LONDON ROME is here now too", "Berlin"]
    assert not any(frame_of(row(0, text)).asked for text in none)
    assert frame_of(row(0, "What is the capital of France?", "Paris")).asked
    long = row(0, "What are the symptoms of Flu ?", "the patient " * 30)
    assert not frame_of(long).asked and frame_of(long).whole, "such rows are told apart by their long answers"
    assert not frame_of(Row(0, "x", text="the text of a book as it stands")).whole


def test_questions_on_one_passage_belong_together_but_an_instruction_does_not_join_them() -> None:
    rng = random.Random(1)
    passages = [" ".join(words(rng, 30)) for _ in range(30)]
    told_so = "answer the question below from the passage, in as few words as you can, and say so if it is not there ok"
    prompts = [f"{told_so}\n{passages[n // 3]}\n{' '.join(words(rng, 9))}?" for n in range(90)]
    rows = [row(n, prompt, " ".join(words(rng, 40))) for n, prompt in enumerate(prompts)]
    assert clusters(rows) == [n // 3 * 3 for n in range(90)]


def test_templates_that_chain_everything_together_are_left_apart_and_named() -> None:
    rng = random.Random(2)
    passages, questions = ([" ".join(words(rng, 30)) for _ in range(12)] for _ in range(2))
    pairs = [(a, b) for a in passages for b in questions]
    rows = [row(n, f"{a}\n{b}", " ".join(words(rng, 90))) for n, (a, b) in enumerate(pairs)]
    parts = split(rows)
    assert [(one.kind, one.rows) for one in parts.apart] == [("frame", 144)] and len(parts.test) == 14


def mixed(seed: int) -> list[Row]:
    """Templates, slots, passages and prompts of many sizes among rows of their own, with few words that come back."""
    rng = random.Random(seed)
    rows = planted(12, 6, seed) + planted(8, 7, seed + 1, small=True) + planted(3, 40, seed + 2)
    rows += [row(0, "Name a colour that you like.", " ".join(words(rng, 5))) for _ in range(rng.choice([3, 30, 300]))]
    pool = words(rng, 14)
    rows += [row(0, " ".join(rng.choices(pool[: rng.randint(3, 14)], k=rng.randint(3, 12)))) for _ in range(150)]
    rows += [row(0, " ".join(rng.sample(WORDS, 22)) + "\n" + " ".join(rng.choices(pool, k=5))) for _ in range(40)]
    rng.shuffle(rows)
    for number, one in enumerate(rows):
        one.index = number
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_the_split_is_the_one_of_the_plain_definition(seed: int) -> None:
    rows = mixed(seed)
    assert clusters(rows) == plain_split.clusters(rows, True)
    found = found_split.split(Traits.of(rows), Split(), seed)
    wanted = plain_split.split(rows, Split(), seed)
    assert (found.train.tolist(), found.validation.tolist(), found.test.tolist()) == (
        wanted.train,
        wanted.validation,
        wanted.test,
    )


def test_the_order_of_the_file_does_not_matter() -> None:
    rows = mixed(9)
    shuffled = random.Random(1).sample(rows, len(rows))
    one, other = (
        {frozenset(of[n].index for n in np.flatnonzero(np.array(found) == root)) for root in set(found)}
        for of, found in ((rows, clusters(rows)), (shuffled, clusters(shuffled)))
    )
    assert one == other


def test_clusters_are_written_into_the_test_rows() -> None:
    rows = [row(n, f"{w} is what they said", group="talk" if n in (3, 4) else None) for n, w in enumerate(WORDS[:8])]
    rows[6].passage = rows[7].passage = "the same passage"
    name_clusters(rows, drawn_together(rows, np.array([0, 0, 2, 3, 3, 5, 6, 7]), True))
    assert [one.cluster for one in rows] == ["x:0", "x:0", None, "talk", "talk", None, "x:6", "x:6"]
    apart = varied(5, words=20)
    apart.append(row(5, apart[2].messages[0]["content"] + " more"))
    name_clusters(apart, drawn_together(apart, np.arange(6), near_duplicates=False))
    assert apart[2].cluster == apart[5].cluster == "x:2", "the split may part near-duplicates; they are no two draws"
    asked = planted(5, 4)
    found_together(asked)
    assert len({one.cluster for one in asked}) == 5
    assert all(len({one.cluster for one in asked if answered(one) == f"answer {n}"}) == 1 for n in range(5))


def test_rows_of_a_test_file_of_ones_own_are_no_reason_to_drop_training_rows_of_the_same_frame() -> None:
    rows = planted(10, 10)
    traits = Traits.of(rows)
    assert not len(found_split.leaks(traits, np.arange(50), np.arange(50, 100)))
    found = found_clusters(traits, np.arange(50, 100), large=0.5)
    assert len(set(found.tolist())) == 10
