"""Checks that ask where a row goes: what is planted on the wrong side of the split is found there, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from scipy.stats import fisher_exact

from bench.planted.clean import clean_rows
from whet.data.survey import survey
from whet.doctor.check import Check, CheckContext
from whet.doctor.checks.balance.uncovered import Uncovered, by_chance
from whet.doctor.checks.held_out.contamination import Contamination
from whet.doctor.checks.held_out.split_group import SplitGroup
from whet.doctor.checks.held_out.test_leak import HeldOutLeak
from whet.doctor.checks.held_out.test_power import PowerOfTest
from whet.doctor.examination import examine_source
from whet.recipe.load import load_recipe
from whet.types import Finding

COUNT = 600
HELD_OUT = range(0, COUNT, 5)
Record = dict[str, Any]


def part_of(index: int) -> str:
    return "test" if index in HELD_OUT else "trained"


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., list[Finding]]:
    """Findings of one check about rows of which every fifth is a test row."""

    def run(
        check: Check,
        rows: list[Record],
        against: list[Record] | None = None,
        parts: Callable[[int], str] = part_of,
        reasons: Callable[[int], str] = lambda _: "",
        **keys: Any,
    ) -> list[Finding]:
        files = {"data": rows, "against": against or []}
        for name, records in files.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        overrides = [f"{key}={value}" for key, value in keys.items()]
        recipe = load_recipe(tmp_path / "data.jsonl", overrides)
        shape = survey(recipe.data, recipe, False).shape
        named = (str(tmp_path / "against.jsonl"),) if against else ()
        where: Callable[[int], str] = lambda index: f"data.jsonl:{index + 1}"  # noqa: E731
        setting = CheckContext(recipe, None, None, parts, reasons, shape, named, where)  # type: ignore[arg-type]
        return examine_source(recipe, shape, [check], setting, processes=1)

    return run


def rows_of(seed: int = 0, count: int = COUNT) -> list[Record]:
    return clean_rows(Random(seed), count)


def learned(random: Random, count: int) -> list[int]:
    return random.sample([index for index in range(COUNT) if index not in HELD_OUT], count)


def named(found: list[Finding], *severities: str) -> set[int]:
    return {row for finding in found if not severities or finding.severity in severities for row in finding.rows}


@pytest.mark.parametrize("make", [Contamination, SplitGroup, HeldOutLeak, Uncovered])
def test_clean_rows_have_no_findings(check: Callable[..., list[Finding]], make: type[Check]) -> None:
    for seed in range(2):
        found = check(make(), rows_of(seed), against=rows_of(seed + 100, 200))
        assert len(named(found)) < 0.01 * COUNT, found


@pytest.mark.parametrize("change", ["none", "a word"])
def test_rows_like_held_out_rows_are_an_error(check: Callable[..., list[Finding]], change: str) -> None:
    random, rows = Random(1), rows_of()
    bad = learned(random, 60)
    for index in bad:
        rows[index] = json.loads(json.dumps(rows[random.choice(HELD_OUT)]))
        if change == "a word":
            rows[index]["messages"][1]["content"] += " Please."
    leak = HeldOutLeak()
    [finding] = check(leak, rows)
    assert finding.severity == "error" and set(finding.rows) == set(bad) and finding.count == 60
    asked = {rows[index]["messages"][1]["content"].removesuffix(" Please.") for index in bad}
    assert leak.leaked_test_rows() == {index for index in HELD_OUT if rows[index]["messages"][1]["content"] in asked}


def test_rows_that_the_split_left_out_are_a_warning(check: Callable[..., list[Finding]]) -> None:
    dropped = {7: "duplicate-of-test", 8: "too-long"}
    leak = HeldOutLeak()
    parts: Callable[[int], str] = lambda index: "dropped" if index in dropped else part_of(index)  # noqa: E731
    [finding] = check(leak, rows_of(), parts=parts, reasons=lambda index: dropped.get(index, ""))
    assert finding.severity == "warning" and finding.rows == [7] and leak.drops() == [7]
    assert "1 row of the data is (nearly) the same" in finding.message and "leaves them out" in finding.message


def test_benchmark_rows_in_other_clothes_are_found(check: Callable[..., list[Finding]]) -> None:
    """Questions of a benchmark, in capitals and without punctuation, stand in the middle of other questions."""
    random, rows = Random(2), rows_of()
    benchmark = [{"id": n, "question": row["messages"][1]["content"]} for n, row in enumerate(rows_of(50, 200))]
    bad = learned(random, 60)
    for index, item in zip(bad, random.sample(benchmark, 60), strict=True):
        turn = rows[index]["messages"][1]
        turn["content"] = f"Hello! {item['question'].upper().replace(',', '')} {turn['content']}"
    contamination = Contamination()
    found = check(contamination, rows, against=benchmark)
    assert named(found, "warning") >= set(bad) and len(named(found) - set(bad)) < 0.01 * COUNT
    assert set(contamination.drops()) == set(bad)
    assert any(
        "60 of 200 rows of against.jsonl have a text of which a row to be learned holds 80%" in finding.message
        for finding in found
    )


@pytest.mark.parametrize("count", [10, 40, 120])
def test_new_words_among_few_rows_are_chance(check: Callable[..., list[Finding]], count: int) -> None:
    random, words = Random(5), [f"word{number}" for number in range(3000)]
    rows = [{"prompt": " ".join(random.choices(words, k=9)), "completion": f"so {n}"} for n in range(count)]
    assert check(Uncovered(), rows) == []


def test_chance_is_fishers_exact_test() -> None:
    for table in ([[3, 5], [2, 90]], [[1, 0], [0, 8]], [[0, 9], [4, 4]]):
        (new, old), (usual, known) = table
        expected = fisher_exact(table, alternative="greater").pvalue  # type: ignore[union-attr]
        assert by_chance(new, new + old, usual, usual + known) == pytest.approx(expected)


def test_a_phrase_that_many_rows_have_is_no_contamination(check: Callable[..., list[Finding]]) -> None:
    phrase = "by writing to us you agree that we may keep your letter for up to two years in our archive"
    rows = rows_of()
    for row in rows[:100]:
        row["messages"][1]["content"] += f" ({phrase})"
    benchmark = [{"question": f"{phrase} (number {n})"} for n in range(50)]
    assert named(check(Contamination(), rows, against=benchmark)) == set()
    for row in rows[8:100]:
        row["messages"][1]["content"] = row["messages"][1]["content"].replace(phrase, "")
    assert named(check(Contamination(), rows, against=benchmark), "warning") == set(range(8)) - set(HELD_OUT)


def test_short_benchmark_rows_count_as_a_whole(check: Callable[..., list[Finding]]) -> None:
    rows = rows_of()
    rows[1]["messages"][1]["content"] = "Tell me: who wrote the blue book of hours? Thanks"
    rows[2]["messages"][1]["content"] = "Tell me: who wrote the blue book?"
    benchmark = [{"question": "Who wrote the blue book of hours?"}, {"question": "Why me?"}]
    [finding] = [found for found in check(Contamination(), rows, against=benchmark) if "against" in found.message]
    assert finding.rows == [1] and "1 of 2 rows of against.jsonl has a text" in finding.message
    assert "(the first: against.jsonl:1, held by data.jsonl:2)" in finding.message


@pytest.mark.parametrize("name", ["user_id", "conversationId", "url", "Document-Nr"])
def test_groups_on_both_sides_are_found_by_their_column(check: Callable[..., list[Finding]], name: str) -> None:
    rows = [row | {name: f"u{index // 2}", "note": index // 2} for index, row in enumerate(rows_of())]
    found = check(SplitGroup(), rows)
    [finding] = found
    both = [index for index in HELD_OUT if part_of(index ^ 1) == "trained"]
    assert set(finding.rows) == set(both[:100]) and finding.count == len(both) and repr(name) in finding.message
    assert check(SplitGroup(), rows, parts=lambda index: "test" if index % 20 < 2 else "dropped") == []
    assert check(SplitGroup(), [row | {name: f"u{index}"} for index, row in enumerate(rows_of())]) == []
    assert check(SplitGroup(), [row | {name: "web" if index % 3 else "mail"} for index, row in enumerate(rows)]) == []
    assert check(SplitGroup(), rows, **{"columns.group": name}) == [], "the split keeps these groups together"


def test_a_conversation_continued_on_the_other_side_is_found(check: Callable[..., list[Finding]]) -> None:
    rows = rows_of()
    bad = list(HELD_OUT)[:20]
    for index in bad:
        more = [{"role": "user", "content": f"And then {index}?"}, {"role": "assistant", "content": "Done."}]
        rows[index + 1] = {"messages": rows[index]["messages"] + more}
    [finding] = check(SplitGroup(), rows)
    assert set(finding.rows) == set(bad) and "20 conversations" in finding.message


def test_texts_without_questions_are_not_counted_as_test_rows(check: Callable[..., list[Finding]]) -> None:
    texts = [{"text": row["messages"][1]["content"]} for row in rows_of(count=40)]
    assert check(PowerOfTest(), texts) == [] and check(Uncovered(), texts) == []


def test_what_only_held_out_rows_have_is_found(check: Callable[..., list[Finding]]) -> None:
    rows = rows_of()
    plain = [index for index in HELD_OUT if len(rows[index]["messages"]) == 3]
    words, longer = plain[:12], plain[12:20]
    for index in words:
        rows[index]["messages"][1]["content"] = f"Warum brummt mein neuer Kessel Nummer {index} seit gestern Abend so?"
    for index in longer:
        rows[index]["messages"][-1]["content"] *= 9
    found = {finding.severity: finding for finding in check(Uncovered(), rows)}
    assert set(found["warning"].rows) == set(words) and "brummt" in found["warning"].message
    assert set(found["info"].rows) == set(longer)


def test_a_label_that_only_held_out_rows_have_is_found(check: Callable[..., list[Finding]]) -> None:
    questions = [row["messages"][1]["content"] for row in rows_of()]
    rows = [{"text": text, "label": "ab"[number % 2]} for number, text in enumerate(questions)]
    rows[10]["label"] = rows[20]["label"] = "c"
    [finding] = check(Uncovered(), rows)
    assert finding.rows == [10, 20] and "'c'" in finding.message
    rows[21]["label"] = "c"
    assert check(Uncovered(), rows) == []


@pytest.mark.parametrize(("tests", "words"), [(0, "any size"), (4, "any size"), (100, "15 points"), (260, None)])
def test_too_few_test_rows_are_told_with_how_many_would_do(
    check: Callable[..., list[Finding]], tests: int, words: str | None
) -> None:
    found = check(PowerOfTest(), rows_of(), parts=lambda index: "test" if index < tests else "trained")
    assert bool(found) == (words is not None)
    if words:
        assert (
            words in found[0].message
            and "5 points need 938 rows" in found[0].message
            and f"{tests} test" in found[0].message
        )
