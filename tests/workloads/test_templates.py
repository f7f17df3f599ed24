"""Which system prompts are one template."""

from __future__ import annotations

import time

import pytest

from whet.workloads.templates import masked, templates_of

NAMES = "Maria Ahmed Chen Olga Priya Jonas Lena Omar Ruth Tariq".split()
POLICY = " ".join(f"Rule {word} says that agents answer {word} questions kindly and shortly." for word in NAMES)


def one_each(*texts: str, requests: int = 10) -> int:
    """How many templates there are."""
    return len(set(templates_of(dict.fromkeys(texts, requests)).values()))


@pytest.mark.parametrize(
    "first, second",
    [
        ("You help. Today is 2026-11-03.", "You help. Today is 2026-12-24."),
        ("It is 2026-11-03T14:02:11Z.", "It is 2027-01-30T09:41:00Z."),
        ("It is 03/11/2026 14:02.", "It is 12/1/2026 9:41."),
        ("You help. Today is Tuesday, 3 November 2026.", "You help. Today is Monday, 1 June 2027."),
        ("You help. It is November 3, 2026, 14:02.", "You help. It is May 12, 2027, 09:41 am."),
        ("Session 3f2504e0-4f89-11d3-9a0c-0305e82c3301.", "Session 9b2504e0-4f89-11d3-9a0c-0305e82c33ff."),
        ("Write to anna@example.org about order 48213.", "Write to bo.li@example.com about order 99."),
        ("Use https://a.example/x?y=1 only.", "Use https://b.example/zz only."),
    ],
)
def test_two_that_differ_in_a_date_a_number_or_an_id_are_one(first: str, second: str) -> None:
    assert masked(first) == masked(second) and one_each(first, second) == 1


def test_a_long_prompt_of_words_that_hang_together_takes_no_time() -> None:
    began = time.process_time()
    assert masked("a-" * 50_000 + "b") and masked("word " * 50_000)
    assert time.process_time() - began < 5, "an unbounded pattern takes minutes"


def test_names_are_a_variable_where_there_are_many_of_them() -> None:
    asked = [f"You talk with {name} and answer in one short sentence." for name in NAMES]
    assert one_each(*asked) == 1


def test_two_tasks_that_differ_in_one_name_stay_two() -> None:
    assert one_each("Translate what the user writes into French.", "Translate what the user writes into Welsh.") == 2


def test_short_prompts_of_capitals_are_not_all_one() -> None:
    assert one_each("Translate.", "Classify.", "Summarise.", "Rewrite.", "Answer.", "Sort.") == 6


def test_passages_that_are_filled_in_belong_to_their_template() -> None:
    opening = "Answer the question of the user from this text alone and say so where it is silent: "
    asked = [opening + f"the {name.lower()} has {name.lower()}ish leaves and flowers late" for name in NAMES]
    assert one_each(*asked, requests=1) == 1
    assert one_each(*asked, requests=50) == len(NAMES), "each is asked again and again: these are tasks"


def test_a_corrected_word_makes_no_new_workload_and_another_task_does() -> None:
    classify, summarise = f"{POLICY} Name the intent of the message.", f"{POLICY} Write the message anew in ten words."
    assert one_each(classify, classify.replace("kindly", "politely", 1)) == 1
    assert one_each(classify, summarise) == 2


def test_the_key_does_not_hang_on_the_order_of_the_log() -> None:
    asked = {f"You talk with {name} and answer in one short sentence.": 3 for name in NAMES} | {"Other.": 4, "": 2}
    assert templates_of(asked) == templates_of(dict(reversed(asked.items())))
