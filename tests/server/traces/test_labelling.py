"""Several people judge at once: no item is done twice but those that two shall see, and undo leaves nothing."""

from __future__ import annotations

import pytest

from tests.server.traces.made import HOUR, keep, project, prove_totals, record
from whet.server.database.opening import Database
from whet.server.errors import ApiError
from whet.server.traces.erasing import erase_client
from whet.server.traces.keeping import remove_traces
from whet.server.traces.labelling import Item, Kind, items_of, judge, preferences, progress, take, undo
from whet.server.traces.reading import TraceFilter, read_traces


def asked(words: str, answer: str, model: str = "nano") -> dict[str, object]:
    return {"messages": [{"role": "user", "content": words}], "answer": answer, "model": model}


@pytest.fixture
def owner(database: Database) -> str:
    """Forty answers of nano; to the first five prompts another model says something else, and to the sixth the same."""
    name = project(database)
    texts = [record(f"t{n}", name, ago=HOUR - n, **asked(f"asked {n}", f"answer {n}")) for n in range(40)]
    texts += [record(f"u{n}", name, ago=60.0 - n, **asked(f"asked {n}", f"other {n}", "desk")) for n in range(5)]
    keep(database, [*texts, record("u5", name, **asked("asked 5", "answer 5", "desk"))], texts=True)
    return name


def found(database: Database, owner: str, kind: Kind = "answers") -> list[Item]:
    return items_of(database, owner, "nano", kind)


def test_two_people_in_turns_see_each_item_once_and_the_shared_ones_both(database: Database, owner: str) -> None:
    seen: dict[str, list[str]] = {"anna": [], "ben": []}
    going = True
    while going:
        going = False
        held = {who: take(database, owner, who, found(database, owner)) for who in seen}
        for who, item in held.items():
            if item is not None:
                judge(database, owner, who, item, "good")
                seen[who].append(item.name)
                going = True
    shared = {item.name for item in found(database, owner) if item.people == 2}
    assert shared and set(seen["anna"]) & set(seen["ben"]) == shared
    assert len(seen["anna"]) + len(seen["ben"]) == 40 + len(shared)
    told = progress(database, owner, "anna", found(database, owner))
    assert (told.items, told.done, len(told.shared)) == (40, 40, len(shared))
    prove_totals(database)


def test_the_item_in_hand_stays_in_hand_and_an_abandoned_one_is_free_again(
    database: Database, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [item for item in found(database, owner) if item.people == 1][:1]
    item = take(database, owner, "anna", alone)
    assert item and take(database, owner, "anna", alone) == item
    assert take(database, owner, "ben", alone) is None
    now = database.now
    monkeypatch.setattr(database, "now", lambda connection: now(connection) + 301)
    assert take(database, owner, "ben", alone) == item
    with pytest.raises(ApiError, match="no longer yours"):
        judge(database, owner, "anna", item, "bad")
    assert [trace for trace in read_traces(database, TraceFilter(owner)) if trace.feedback] == []


def test_undo_takes_the_feedback_back_and_gives_the_item_back(database: Database, owner: str) -> None:
    item = take(database, owner, "anna", found(database, owner))
    assert item
    judge(database, owner, "anna", item, "corrected", "right")
    with pytest.raises(ApiError, match="no longer yours"):
        judge(database, owner, "anna", item, "good")
    said = [one.feedback for one in read_traces(database, TraceFilter(owner)) if one.feedback]
    assert [(one.corrected, one.by) for (one,) in said] == [("right", "anna")]
    take(database, owner, "anna", found(database, owner))
    assert undo(database, owner, "anna", found(database, owner))
    assert [one for one in read_traces(database, TraceFilter(owner)) if one.feedback] == []
    again = take(database, owner, "anna", found(database, owner))
    assert again and again.name == item.name
    assert not undo(database, owner, "anna", found(database, owner))
    prove_totals(database)


def test_pairs_become_rows_only_where_all_agree(database: Database, owner: str) -> None:
    pairs = found(database, owner, "pairs")
    assert len(pairs) == 5, "the same answer twice is no pair"
    chosen = []
    for choice in ("first", "second", "tie", "skip"):
        item = take(database, owner, "anna", found(database, owner, "pairs"))
        assert item
        judge(database, owner, "anna", item, choice)
        chosen.append(item)
    rows, left_out = preferences(database, owner, pairs)
    first, second = chosen[0].traces, chosen[1].traces
    assert [(row["chosen"], row["rejected"]) for row in rows] == [
        (first[0].answer, first[1].answer), (second[1].answer, second[0].answer)]  # fmt: skip
    assert left_out == 1
    with pytest.raises(ApiError, match="Choose one of"):
        judge(database, owner, "anna", pairs[4], "good")


def test_sides_are_drawn_and_stay(database: Database, owner: str) -> None:
    pairs = found(database, owner, "pairs")
    drawn = [item.sides(f"person {n}") for item in pairs for n in range(20)]
    assert drawn == [item.sides(f"person {n}") for item in pairs for n in range(20)]
    assert 25 < sum(left == "first" for left, _ in drawn) < 75


def test_what_is_erased_leaves_no_judgement(database: Database, owner: str) -> None:
    for who in ("anna", "ben"):
        item = take(database, owner, who, found(database, owner, "pairs"))
        assert item
        judge(database, owner, who, item, "first")
    erase_client(database, owner, "anna", None)
    pairs = found(database, owner, "pairs")
    assert len(preferences(database, owner, pairs)[0]) == 1
    with database.write() as connection:
        remove_traces(connection, owner, [trace.id for item in pairs for trace in item.traces])
    assert preferences(database, owner, pairs) == ([], 0)
