"""Checks of what many rows show together: fired by what was planted, silent on clean rows and on sound real data."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bench.planted.clean import clean_rows
from bench.planted.sets import PLANTS
from whet.data.survey import survey
from whet.demo_data import support_desk
from whet.doctor.analysis.near_duplicates import NearDuplicates
from whet.doctor.analysis.overlap import Overlaps
from whet.doctor.analysis.row_texts import ngrams, row_texts
from whet.doctor.analysis.sample import TextSample
from whet.doctor.analysis.topics import distinctive_words, matrix_of, topics
from whet.doctor.check import Check
from whet.doctor.check_registry import by_code
from whet.doctor.checks.across_rows.conflicting_answers import ConflictingAnswers
from whet.doctor.checks.across_rows.duplicate import Duplicate
from whet.doctor.checks.across_rows.fact_lookup import FactLookup
from whet.doctor.checks.across_rows.near_duplicate import NearDuplicate
from whet.doctor.checks.balance.length_skew import LengthSkew
from whet.doctor.checks.balance.topic_skew import TopicSkew
from whet.doctor.examination import examine_source
from whet.recipe.load import load_recipe
from whet.types import Finding, Row


def asked(index: int, question: str, answer: str, system: str | None = None) -> Row:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Row(index, f"rows.jsonl:{index + 1}", ([{"role": "system", "content": system}] if system else []) + messages)


def rows_from(records: list[dict]) -> list[Row]:
    """Records of the planted sets as rows."""
    if "chosen" in records[0]:
        return [_pair(index, record) for index, record in enumerate(records)]
    if "text" in records[0]:
        return [asked(index, record["text"], record["label"]) for index, record in enumerate(records)]
    return [Row(index, f"rows.jsonl:{index + 1}", record["messages"]) for index, record in enumerate(records)]


def _pair(index: int, record: dict) -> Row:
    sides = [[*record["prompt"], {"role": "assistant", "content": record[side]}] for side in ("chosen", "rejected")]
    return Row(index, f"rows.jsonl:{index + 1}", sides[0], rejected=sides[1])


def found_in(path: Path, check: Check) -> list[Finding]:
    recipe = load_recipe(path)
    return examine_source(recipe, survey(recipe.data, recipe, False).shape, [check], processes=1)


@pytest.mark.parametrize("code", list(PLANTS))
def test_what_is_planted_is_found_and_clean_rows_are_not_named(code: str) -> None:
    check = by_code()[code]
    for seed in range(2):
        records, bad = PLANTS[code](Random(seed), clean_rows(Random(seed), 600))
        findings = check()(rows_from(records))
        rows = {row for finding in findings for row in finding.rows}
        least = 0.6 if code == "label-noise" else 0.95  # few rows a label; test_label_noise.py measures on real ones
        assert len(rows & bad) >= least * len(bad), f"{len(rows & bad)} of {len(bad)} found"
        assert len(rows - bad) <= 0.01 * len(records), f"named in vain: {sorted(rows - bad)[:5]}"
        clean = check()(rows_from(clean_rows(Random(seed + 10), 600)))
        assert sum(finding.count for finding in clean) <= 6, clean


def test_copies_that_say_the_same_are_left_out_and_others_are_not() -> None:
    long = (
        "How do I reset the password of my account on the web site of your shop in town, last opened on a Sunday in May"
    )
    rows = [
        asked(0, f"{long}?", "Open Settings."),
        asked(1, f"{long}?", "Open Settings."),
        asked(2, f"{long}, please?", "Open  settings."),
        asked(3, f"{long} today?", "You cannot."),
        asked(4, "Something else entirely, what is the time in your shop?", "Noon."),
    ]
    exact, near = Duplicate(), NearDuplicate()
    assert exact(rows)[0].rows == [1] == exact.drops() and "rows.jsonl:2 is row 1 again" in exact.findings()[0].message
    assert near(rows)[0].rows == [2, 3] and near.drops() == [2]


def test_rows_to_classify_have_their_classes_as_answers() -> None:
    text = "I have lost my card in the city this morning and need to block it at once"
    rows = [
        Row(n, f"x:{n + 1}", [{"role": "user", "content": text + more}], target=[label])
        for n, (more, label) in enumerate([("", "lost"), ("!", "lost"), ("?", "stolen"), (" now", "lost")])
    ]
    near = NearDuplicate()
    assert near(rows)[0].rows == [1, 2, 3] and near.drops() == [1, 3]
    assert ConflictingAnswers()(rows)[0].rows == [0, 1, 2]


def test_the_same_words_under_another_system_prompt_are_no_exact_copy() -> None:
    rows = [asked(0, "Hi?", "Ho.", "Be brief."), asked(1, "Hi?", "Ho.", "Be kind.")]
    assert Duplicate()(rows) == []
    assert NearDuplicate()(rows)[0].rows == [1]


@pytest.mark.parametrize("changed", [1, 2, 3])
def test_kin_is_the_jaccard_similarity_of_three_word_runs(changed: int) -> None:
    """Words changed far apart cost three of 38 runs each, on both sides."""
    words, kin = [f"w{n}" for n in range(40)], NearDuplicates()
    other = [f"x{n}" if n % 13 == 6 and n // 13 < changed else word for n, word in enumerate(words)]
    for index, text in ((10, words), (20, other)):
        kin.add(asked(index, " ".join(text), ""))
        kin.add(asked(index, " ".join(text), ""))
    similar = (38 - 3 * changed) / (38 + 3 * changed) >= 0.7
    assert kin.roots().tolist() == [0, 0 if similar else 1] and similar == (changed < 3)
    assert kin.indices().tolist() == [10, 20], "a row that two checks show counts once"


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        ("What is 3 + 4?", "What is 3 - 4?", False),
        ("What is 3.5 m?", "What is 3, 5 m?", False),
        ("Is it open?", "is it open", True),
        ("Hello, is it open?", "Is it open, please?", True),
        ("The card?", "A card", True),
        ("Please?", "Thanks!", False),
    ],
)
def test_inputs_are_the_same_apart_from_case_punctuation_and_politeness(one: str, other: str, conflict: bool) -> None:
    found = ConflictingAnswers()([asked(0, one, "yes"), asked(1, other, "no")])
    assert [finding.rows for finding in found] == ([[0, 1]] if conflict else [])
    assert ConflictingAnswers()([asked(0, one, "yes"), asked(1, other, "Yes")]) == []


def test_a_system_prompt_tells_inputs_apart_and_an_instruction_is_no_input() -> None:
    assert ConflictingAnswers()([asked(0, "Open?", "yes", "Be brief."), asked(1, "Open?", "no", "Lie.")]) == []
    assert ConflictingAnswers()([asked(n, "Write a poem.", f"Poem {n}") for n in range(30)]) == []


def test_nearly_the_same_labelled_inputs_with_two_labels_are_told() -> None:
    rows = [
        asked(n, f"{'why what how where'.split()[n % 4]} {n} of {n * 7} is {n * 3}?", "ab"[n % 2]) for n in range(60)
    ]
    text = "I have lost my card in the city this morning and need to block it at once"
    rows += [asked(60, text, "a"), asked(61, f"{text} now", "b"), asked(62, f"{text} now", "b")]
    found = {finding.severity: finding.rows for finding in ConflictingAnswers()(rows)}
    assert found == {"info": [60, 61, 62]}


def test_the_fact_check_fires_on_medical_questions_and_not_on_tasks(data_dir: Path, tmp_path: Path) -> None:
    files = {"medquad": [], "gsm8k": [], "desk": support_desk.generate(1500, 0)}
    for line in (data_dir / "medquad" / "medquad.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["answer"].strip():
            files["medquad"].append({"prompt": row["question"], "completion": row["answer"]})
    for line in (data_dir / "gsm8k" / "train.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        files["gsm8k"].append({"prompt": row["question"], "completion": row["answer"]})
    shares = {}
    for name, records in files.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        check = FactLookup()
        fired = bool(found_in(path, check))
        shares[name] = len(check.facts()) / len(records)
        assert fired == (name == "medquad"), (name, shares[name])
    banking = FactLookup()
    assert found_in(data_dir / "banking77" / "train.csv", banking) == [] and len(banking.facts()) == 0
    assert shares["medquad"] > 0.45 and shares["gsm8k"] < 0.02 and shares["desk"] == 0


def test_sound_sets_show_no_skew(data_dir: Path) -> None:
    for check in (TopicSkew(), LengthSkew()):
        assert found_in(data_dir / "banking77" / "train.csv", check) == []


def test_overlaps_are_those_of_a_plain_search() -> None:
    """Every run of words of every text, looked up in every row by plain string search."""
    random = Random(0)
    vocabulary = [f"w{n}" for n in range(25)]
    texts = [" ".join(random.choices(vocabulary, k=random.randint(3, 30))) for _ in range(80)]
    rows = [" ".join(random.choices(vocabulary, k=40)) for _ in range(700)]
    for index in random.sample(range(700), 60):  # parts of texts, and common ones
        rows[index] += f" {random.choice(texts)[:60].rsplit(' ', 1)[0]} end"
    overlaps = Overlaps(texts)
    for index, text in enumerate(rows):
        overlaps.add(index, row_texts(asked(index, text, "")).prompt_W)
    found = {(one.text, one.row): one.covered for one in overlaps.found()}
    expected = {}
    for number, text in enumerate(texts):
        words = text.split()
        size = min(overlaps.size, len(words))
        covered: dict[int, set[int]] = defaultdict(set)
        for at in range(len(words) - size + 1) if size >= 4 else ():
            run = f" {' '.join(words[at : at + size])} "
            holders = [index for index, row in enumerate(rows) if run in f" {row} "]
            if 0 < len(holders) <= 10:
                for holder in holders:
                    covered[holder].update(range(at, at + size))
        expected |= {(number, holder): len(places) / len(words) for holder, places in covered.items()}
    assert len(found) > 20 and found == pytest.approx(expected)


def test_words_of_two_rows_are_no_run() -> None:
    words = [f"w{n}" for n in range(12)]
    overlaps = Overlaps([" ".join(words)])
    for index, part in enumerate((words[:6], words[6:])):
        overlaps.add(index, row_texts(asked(index, " ".join(part), "")).prompt_W)
    assert overlaps.found() == []
    overlaps.add(2, row_texts(asked(2, " ".join(["so", *words, "on"]), "")).prompt_W)
    assert [(one.row, one.covered) for one in overlaps.found()] == [(2, 1.0)]


def test_runs_of_words_are_equal_only_where_the_words_are() -> None:
    one, other = np.arange(1, 9, dtype=np.uint64), np.arange(2, 10, dtype=np.uint64)
    assert (ngrams(one, 3)[1:] == ngrams(other, 3)[:-1]).all() and len(ngrams(one, 3)) == 6
    assert ngrams(one[::-1].copy(), 3)[0] not in ngrams(one, 3)
    assert len(ngrams(one, 9)) == 0


def test_topics_part_texts_by_their_words_and_are_named_by_them() -> None:
    random = Random(0)
    kinds = {
        "boat": "sail mast keel harbour deck",
        "cake": "flour sugar oven butter icing",
        "law": "court judge trial jury",
    }
    texts = [" ".join(random.choices(words.split(), k=6)) + " and the" for words in kinds.values() for _ in range(40)]
    random.shuffle(texts)
    topic_N = topics(matrix_of(texts), 3)
    assert sorted(np.bincount(topic_N)) == [40, 40, 40]
    for topic in range(3):
        named = set(distinctive_words(texts, topic_N, topic))
        assert any(named <= set(words.split()) for words in kinds.values()), named
    assert topics(matrix_of(["a word"] * 9), 4).tolist() == [0] * 9


def test_a_sample_does_not_depend_on_the_order() -> None:
    texts = [f"text {n}" for n in range(1000)]
    forwards, backwards = TextSample(50), TextSample(50)
    for n, text in enumerate(texts):
        forwards.add(n, text)
        backwards.add(999 - n, texts[999 - n])
    assert forwards.texts() == backwards.texts() and len(forwards.texts()) == 50 and forwards.rows == 1000
