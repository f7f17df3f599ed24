"""Answers of a teacher to the user's prompts, as rows to learn from: whatever stops it, the same call goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from whet.data.rows.convert import every_row
from whet.errors import DataError, InputError, RunError
from whet.generation.collection.rows_file import CollectSettings, Request, RowsFile, request_of
from whet.generation.collection.spending import SpendingLimit, Usage, worst_case
from whet.model_server import BadResponse
from whet.observer import Observer, Silent
from whet.recipe.schema import Distil, Recipe
from whet.store.lock import Lock
from whet.types import Completion, Message

WRONG_IN_A_ROW = 5
"""Answers of a wrong form after which the server is not asked again."""
MINUTE = 60.0
BOUNDLESS = SpendingLimit()


class AnswerSource(Protocol):
    together: int
    """Requests that are best asked at once."""

    def ask(self, requests: Sequence[Request], asking: CollectSettings) -> list[Completion]:
        """One reply a request. Raises BadResponse for a reply of another form, InputError, RunError."""
        ...


@dataclass(slots=True)
class RateLimit:
    """At most `per_minute` calls of `wait` a minute, evenly spaced; None: no bound."""

    per_minute: float | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=float("-inf"))

    def __post_init__(self) -> None:
        if self.per_minute is not None and not 0 < self.per_minute < float("inf"):
            raise InputError("a number of requests above 0", where="--per-minute", value=self.per_minute)

    def wait(self) -> None:
        if self.per_minute is None:
            return
        now = self.clock()
        if now < self._next:
            self.sleep(self._next - now)
        self._next = max(now, self._next) + MINUTE / self.per_minute


def refuse_unreadable_name(out: Path) -> None:
    """Raises InputError for a file that Whet would not read as rows afterwards."""
    if out.suffix.lower() != ".jsonl":
        raise InputError("answers are written as JSON lines", where="--out", value=str(out), fix="--out NAME.jsonl")


def read_prompts(data: str, system: str | None) -> list[list[Message]]:
    """What is before a last answer in each row of any form that Whet reads. Raises DataError, naming the row."""
    recipe = Recipe(data=data, method=Distil(teacher="nano"))  # a method that needs prompts only
    prompts = []
    for row in every_row(data, recipe):
        if row.tools:
            raise DataError("this row has tools, and only words are collected", where=row.where, fix="remove the row")
        if not row.prompt:
            raise DataError("this row has no prompt", where=row.where, fix="remove the row")
        if system and row.prompt[0]["role"] in ("system", "developer"):
            what = "this row has a system prompt of its own, and --system gives one more"
            raise DataError(what, where=row.where, fix="remove one of them")

        prompts.append(row.prompt)

    return prompts


def requests_of(prompts: Sequence[list[Message]], asking: CollectSettings) -> list[Request]:
    """`samples` for each prompt; the same prompt twice is asked once."""
    wanted = (request_of(prompt, asking, n) for prompt in prompts for n in range(asking.samples))
    return list({request.key: request for request in wanted}.values())


def collect(
    requests: Sequence[Request],
    teacher: AnswerSource,
    asking: CollectSettings,
    out: Path,
    budget: SpendingLimit = BOUNDLESS,
    pace: RateLimit | None = None,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Ask for what `out` does not hold yet, and append it. Ends early where the next request might exceed the budget.

    Raises DataError for a file of other settings, RunError where the teacher stays away; what was written stays.
    """
    pace, observer = pace or RateLimit(), observer or Silent()
    with Lock(out.with_name(f".{out.name}.lock"), f"the file {out.name!r}"):
        held = RowsFile(out, asking)
        before = held.rows
        waiting = [request for request in requests if request.key not in held.keys]

        lost, wrong, in_a_row, stopped = Usage(), 0, 0, None
        while waiting:
            group = _affordable(waiting[: teacher.together], asking, held.usage + lost, budget)
            if not group:
                stopped = "the budget: the next request might exceed it"
                break

            waiting = waiting[len(group) :]
            pace.wait()

            try:
                replies = teacher.ask(group, asking)
            except BadResponse as error:
                wrong, in_a_row = wrong + len(group), in_a_row + 1
                for request in group:
                    lost += worst_case(request.asked, asking.max_tokens)  # it may have been paid for

                if in_a_row == WRONG_IN_A_ROW:
                    raise RunError(error.what, where=error.where, value=error.value, fix=error.fix) from error

                continue

            in_a_row = 0
            for request, reply in zip(group, replies, strict=True):
                held.add(request, reply)
            observer.step(len(requests) - len(waiting), len(requests), {})

        return {
            "out": str(out),
            "rows": held.rows,
            "new": held.rows - before,
            "left_out": len(held.keys) - held.rows,
            "wrong_answers": wrong,
            "missing": sum(request.key not in held.keys for request in requests),
            "requests": len(requests),
            "usage": {"prompt_tokens": held.usage.prompt_tokens, "answer_tokens": held.usage.answer_tokens},
            "usd": budget.cost(held.usage),
            "stopped": stopped,
        }


def _affordable(
    group: Sequence[Request], asking: CollectSettings, spent: Usage, budget: SpendingLimit
) -> list[Request]:
    """The first requests of a group whose worst cases still fit."""
    chosen: list[Request] = []
    for request in group:
        spent += worst_case(request.asked, asking.max_tokens)
        if not budget.holds(spent):
            break
        chosen.append(request)
    return chosen
