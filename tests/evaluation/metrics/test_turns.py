"""All assistant turns count, a row is one unit, and the cost is bounded."""

from __future__ import annotations

import pytest

from tests.evaluation.dialogues import dialogues
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import MOST_ASKED, MOST_TURNS, asked_turns, turn_facts, turns_of_row
from whet.types import Row


def talk(answers: int, index: int = 0, **more: object) -> Row:
    messages = []
    for turn in range(answers):
        messages.append({"role": "user", "content": f"question {turn}"})
        messages.append({"role": "assistant", "content": f"answer {turn}"})
    return Row(index, f"d:{index}", messages, **more)  # type: ignore[arg-type]


def test_each_turn_is_asked_with_the_true_turns_before_it() -> None:
    turns = asked_turns([talk(3), talk(1, 1)], seed=0)
    assert [row.reference for row in turns.rows] == ["answer 0", "answer 1", "answer 2", "answer 0"]
    assert [len(row.prompt) for row in turns.rows] == [1, 3, 5, 1]
    assert turns.owner == [0, 0, 0, 1] and turns.last == [2, 3] and turns.many
    assert turns.by_row([1, 0, 0, 1]) == [pytest.approx(1 / 3), 1.0]
    assert turns.by_row([1, 1, 1, 0]) == [1.0, 0.0]


def test_rows_of_one_turn_stay_as_they_are() -> None:
    rows = [talk(1), talk(1, 1)]
    turns = asked_turns(rows, seed=0)
    assert turns.rows == rows and not turns.many and turns.by_row([0.25, 1.0]) == [0.25, 1.0]


def test_several_answers_a_turn_stay_apart() -> None:
    turns = asked_turns([talk(2), talk(1, 1)], seed=0)
    assert turns.by_row([1, 0, 0, 0, 1, 1], samples=2) == [0.5, 0.0, 1.0, 1.0]


def test_turns_that_are_not_learned_or_say_nothing_do_not_count() -> None:
    row = talk(4)
    row.messages[1]["weight"] = 0
    row.messages[3] = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert [one.reference for one in turns_of_row(row)] == ["answer 2", "answer 3"]
    assert turns_of_row(talk(3, label="billing"))[0].reference == "answer 2"


def test_long_rows_are_drawn_from_and_weighed_so_that_no_turn_counts_more() -> None:
    turns = asked_turns([talk(20)], seed=0)
    assert len(turns.rows) == MOST_TURNS and turns.rows[-1].reference == "answer 19"
    assert turns.weight[-1] == pytest.approx(1 / 20) and sum(turns.weight) == pytest.approx(1)
    other = asked_turns([talk(20)], seed=1)
    assert [row.reference for row in other.rows] != [row.reference for row in turns.rows]
    means = []
    for seed in range(400):
        drawn = asked_turns([talk(20)], seed)
        means += drawn.by_row([float(row.reference.split()[1]) for row in drawn.rows])
    assert sum(means) / len(means) == pytest.approx(9.5, abs=0.3), "the mean over all turns, without bias"


def test_many_rows_get_fewer_turns_each_and_it_is_told() -> None:
    turns = asked_turns([talk(6, n) for n in range(400)], seed=0)
    assert len(turns.rows) == 800 <= MOST_ASKED and turns.all_turns == 2400
    assert (
        "2,400 assistant turns" in turn_facts(turns, 0)["statement"]
        and "800 of them asked" in turn_facts(turns, 0)["statement"]
    )


def test_goodbyes_do_not_choose_the_metric() -> None:
    rows = [Row(n, f"d:{n}", one["messages"]) for n, one in enumerate(dialogues(60))]
    ends = [Row(row.index, row.where, row.messages[-2:]) for row in rows]
    assert metric.choose(ends)[0] == "accuracy", "the goodbyes alone look like labels"
    assert metric.choose(rows)[0] == "rouge-l"
