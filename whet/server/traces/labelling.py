"""Several people judge answers at once: each item is one person's until they chose, and a few are shown to two.

An item is an answer that is judged alone, or two answers to one prompt that are compared. What is said of one answer is
feedback, as `whet judge --from` and POST /v1/feedback keep it; what is said of two is a judgement of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, select, update

from whet.monitoring.trace import Trace
from whet.server.database.opening import Database
from whet.server.database.tables import judgements
from whet.server.errors import ApiError
from whet.server.traces import judging
from whet.server.traces.feedback import NewFeedback, keep_feedback, take_back
from whet.server.traces.keeping import add_to_totals
from whet.server.traces.reading import TraceFilter, read_traces
from whet.server.traces.redacting import pseudonym

Kind = Literal["answers", "pairs"]
CHOICES: dict[Kind, tuple[str, ...]] = {
    "answers": ("good", "bad", "corrected", "skip"),
    "pairs": ("first", "second", "tie", "skip"),
}
NEWEST, LEASE_SECONDS, SHARED = 300, 300.0, 10
"""Traces that are looked at; how long an item is one person's; one item of so many is shown to two people."""


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    traces: tuple[Trace, ...]

    @property
    def people(self) -> int:
        """Who must judge it until it is done."""
        return 2 if _drawn(self.name) % SHARED == 0 else 1

    def sides(self, who: str) -> tuple[str, str]:
        """What stands left and right, as choices: drawn by lot, and the same at each look."""
        return ("second", "first") if _drawn(f"{self.name} {who}") % 2 else ("first", "second")


@dataclass(frozen=True, slots=True)
class Progress:
    items: int
    done: int
    """By as many people as they need."""
    mine: int
    """Chosen by this person; what they skipped is not among them."""
    shared: list[tuple[str, str]]
    """What two people said of the same item, in the order of their names."""


def items_of(database: Database, project: str, model: str, kind: Kind) -> list[Item]:
    """Of the newest traces whose texts were kept: for pairs, different answers to the same prompt, of which this model
    gave at least one."""
    if kind == "answers":
        found = read_traces(database, TraceFilter(project, model), NEWEST)
        return [Item(trace.id, (trace,)) for trace in found if judging.can_be_judged(trace)]

    asked: defaultdict[str, dict[str, Trace]] = defaultdict(dict)
    for trace in read_traces(database, TraceFilter(project), NEWEST):
        if trace.messages and trace.answer and not trace.tools and not trace.tool_calls:
            asked[json.dumps(trace.messages, sort_keys=True)].setdefault(trace.answer.strip(), trace)
    pairs = (pair for answers in asked.values() for pair in combinations(answers.values(), 2))
    return [Item(" ".join(one.id for one in pair), pair) for pair in pairs if any(one.model == model for one in pair)]


def take(database: Database, project: str, who: str, items: Sequence[Item]) -> Item | None:
    """The item that this person has in hand, or the next that they may have; it is theirs for LEASE_SECONDS more."""
    name = pseudonym(who, project)
    with database.write() as connection:
        add_to_totals(connection, project, 0, 0)  # whoever takes one at the same time waits here
        now, rows = database.now(connection), _rows(connection, project, items)
        held = [item for item in items if any(row.who == name and row.choice is None for row in rows[item.name])]
        found = next((item for item in [*held, *items] if _is_open(item, name, rows[item.name], now)), None)
        mine = (judgements.c.project == project) & (judgements.c.who == name) & judgements.c.choice.is_(None)
        connection.execute(delete(judgements).where(mine, judgements.c.item.in_([item.name for item in held])))
        if found is not None:
            first, second = [*(trace.id for trace in found.traces), None][:2]
            keys = {"project": project, "item": found.name, "who": name, "first": first, "second": second}
            connection.execute(judgements.insert().values(**keys, lease_until=now + LEASE_SECONDS))
    return found


def judge(database: Database, project: str, who: str, item: Item, choice: str, corrected: str = "") -> None:
    """Kept at once, and once. Raises ApiError 400 for a choice that is none, 409 where it is no longer theirs."""
    kind: Kind = "pairs" if len(item.traces) == 2 else "answers"
    if choice not in CHOICES[kind] or (choice == "corrected" and not corrected.strip()):
        raise ApiError(400, f"Choose one of {', '.join(CHOICES[kind])}.", code="invalid_value", param="choice")

    name = pseudonym(who, project)
    with database.write() as connection:
        add_to_totals(connection, project, 0, 0)
        now, rows = database.now(connection), _rows(connection, project, [item])[item.name]
        mine = next((row for row in rows if row.who == name), None)
        if mine is None or mine.choice is not None or not _is_open(item, name, rows, now):
            what = "This one is no longer yours: it was judged meanwhile. Nothing was kept; go on with the next."
            raise ApiError(409, what, code="judged_meanwhile")
        said = None
        if kind == "answers" and choice != "skip":
            given, key = _feedback(item, who, choice, corrected), judging.key_of(item.name, name)
            said = keep_feedback(connection, project, item.name, given, key, now)["id"]
        _change(connection, mine, choice=choice, at=now, feedback=said)


def undo(database: Database, project: str, who: str, items: Sequence[Item]) -> bool:
    """The last choice of this person among these is taken back, with its feedback, and is in their hand again. False
    where there is none."""
    name = pseudonym(who, project)
    with database.write() as connection:
        add_to_totals(connection, project, 0, 0)
        rows = [row for found in _rows(connection, project, items).values() for row in found if row.who == name]
        chosen = [row for row in rows if row.choice is not None]
        if not chosen:
            return False
        last = max(chosen, key=lambda row: row.at)
        for row in rows:
            if row.choice is None:
                connection.execute(delete(judgements).where(_is(row)))
        if last.feedback is not None:
            take_back(connection, project, last.feedback)
        until = database.now(connection) + LEASE_SECONDS
        _change(connection, last, choice=None, at=None, feedback=None, lease_until=until)
    return True


def progress(database: Database, project: str, who: str, items: Sequence[Item]) -> Progress:
    name = pseudonym(who, project)
    with database.read() as connection:
        found = _rows(connection, project, items)
    said = {item.name: sorted((row.who, row.choice) for row in found[item.name] if _says(row)) for item in items}
    done = sum(len(_heard(item, found[item.name])) >= item.people for item in items)
    mine = sum(any(person == name for person, _ in one) for one in said.values())
    both = [(one[0][1], one[1][1]) for one in said.values() if len(one) > 1]
    return Progress(len(items), done, mine, [(_verdict(one), _verdict(other)) for one, other in both])


def preferences(database: Database, project: str, items: Sequence[Item]) -> tuple[list[dict[str, Any]], int]:
    """Pairs to learn from, each with its traces and who chose, and how many of those with a choice are left out because
    people disagree or call it a tie."""
    with database.read() as connection:
        found = _rows(connection, project, items)
    rows, left_out = [], 0
    for item in items:
        chosen = [row for row in found[item.name] if _says(row)]
        if not chosen or len(item.traces) != 2:
            continue
        choices = {row.choice for row in chosen}
        if len(choices) > 1 or "tie" in choices:
            left_out += 1
            continue
        better, worse = item.traces if choices == {"first"} else item.traces[::-1]
        told = {"trace": better.id, "rejected_trace": worse.id, "by": sorted(row.who for row in chosen)}
        rows.append({"prompt": better.messages, "chosen": better.answer, "rejected": worse.answer} | told)
    return rows, left_out


def _feedback(item: Item, who: str, choice: str, corrected: str) -> NewFeedback:
    said = judging.corrected(item.name, corrected) if choice == "corrected" else NewFeedback(good=choice == "good")
    return replace(said, author=who)


def _rows(connection: Connection, project: str, items: Sequence[Item]) -> dict[str, list[Row]]:
    """By item: who has it or judged it."""
    mine = judgements.c.project == project, judgements.c.first.in_([item.traces[0].id for item in items])
    found: dict[str, list[Row]] = {item.name: [] for item in items}
    for row in connection.execute(select(judgements).where(*mine)):
        if row.item in found:
            found[row.item].append(row)
    return found


def _is_open(item: Item, name: str, rows: Sequence[Row], now: float) -> bool:
    """Whether this person may have it: they have not chosen, and it still needs somebody."""
    if any(row.who == name and row.choice is not None for row in rows) or name in _elsewhere(item):
        return False
    holding = {row.who for row in rows if row.choice is None and row.lease_until > now}
    return len((holding | _heard(item, rows)) - {name}) < item.people


def _heard(item: Item, rows: Sequence[Row]) -> set[str]:
    """Who said something of it, here or elsewhere."""
    return {row.who for row in rows if _says(row)} | _elsewhere(item)


def _elsewhere(item: Item) -> set[str]:
    """Who spoke of an answer from the command line, or over the API, under a name."""
    return {said.by for said in item.traces[0].feedback if said.by} if len(item.traces) == 1 else set()


def _says(row: Row) -> bool:
    return row.choice not in (None, "skip")


def _verdict(choice: str) -> str:
    """Who corrects an answer says that it is bad."""
    return "bad" if choice == "corrected" else choice


def _is(row: Row) -> Any:
    return (judgements.c.project == row.project) & (judgements.c.item == row.item) & (judgements.c.who == row.who)


def _change(connection: Connection, row: Row, **values: Any) -> None:
    connection.execute(update(judgements).where(_is(row)).values(**values))


def _drawn(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
