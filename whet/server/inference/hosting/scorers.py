"""Models with a head: classifiers and reward models, each in a thread of its own that reads many texts at once."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from whet.errors import WhetError
from whet.model.adapter import causal_lm
from whet.model.heads.linear import Scorer
from whet.model.heads.sequence_classifier import hidden_rows, open_scorer, score_rows
from whet.model.saved_model import ModelFacts, read_facts
from whet.server.errors import ApiError
from whet.server.inference.catalogue import ServedModel
from whet.server.inference.hosting.hosts import not_served
from whet.store.checksums import weights_digest

MOST = 4
"""Models with a head in memory at once."""


Reader = Callable[[Scorer, list[list[int]]], Tensor]
"""What is read of rows of tokens, one row of numbers for each."""


@dataclass(slots=True)
class _Waiting:
    read: Reader
    rows: list[list[int]]
    found: Future[Tensor]


class ScoringModel:
    """One opened model with a head. Rows that come while it computes are read together afterwards."""

    def __init__(self, scorer: Scorer, tokenizer: Any, facts: dict[str, Any]) -> None:
        self.scorer, self.tokenizer, self.facts = scorer, tokenizer, facts
        self.head: dict[str, Any] = facts["head"]
        self.context = int(scorer.policy.model.config.get_text_config().max_position_embeddings)
        self._thread = ThreadPoolExecutor(1, "whet-scorer")
        self._waiting: list[_Waiting] = []
        self._changed = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """Short, of its weights."""
        return f"fp_{weights_digest(self.facts)[:12]}"

    async def scores(self, rows: Sequence[list[int]]) -> Tensor:
        """At the last token of each row, shape (R, K)."""
        return await self._read(score_rows, rows)

    async def hidden(self, rows: Sequence[list[int]]) -> Tensor:
        """What the head reads there, shape (R, D)."""
        return await self._read(hidden_rows, rows)

    @property
    def vocabulary(self) -> int:
        """Tokens that the model reads."""
        return int(causal_lm(self.scorer.policy.model).get_input_embeddings().weight.shape[0])

    @property
    def width(self) -> int:
        """Numbers of a vector that the head reads: D."""
        return self.scorer.head.in_features

    async def _read(self, read: Reader, rows: Sequence[list[int]]) -> Tensor:
        waiting = _Waiting(read, list(rows), Future())
        with self._changed:
            self._waiting.append(waiting)
        self._thread.submit(self._compute)
        return await asyncio.wrap_future(waiting.found)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _compute(self) -> None:
        with self._changed:
            waiting, self._waiting = self._waiting, []
        waiting = [one for one in waiting if one.found.set_running_or_notify_cancel()]
        for read in (score_rows, hidden_rows):
            self._compute_together(read, [one for one in waiting if one.read is read])

    def _compute_together(self, read: Reader, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            found_RW = read(self.scorer, [row for one in batch for row in one.rows])
        except Exception as error:
            for one in batch:
                one.found.set_exception(error)
            return
        for one in batch:
            mine_RW, found_RW = found_RW[: len(one.rows)], found_RW[len(one.rows) :]
            one.found.set_result(mine_RW)


class Scorers:
    """Opened at first use, which proves them; the one that is used least leaves. Used in one event loop."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, asyncio.Task[ScoringModel]] = OrderedDict()

    async def open(self, served: ServedModel, instead: str) -> ScoringModel:
        """Raises ApiError: 400 for a model that writes words, with what to do `instead`, 503 for one that is not
        proved."""
        try:
            facts = await asyncio.to_thread(_facts, served)
        except WhetError as error:
            raise not_served(served, error) from error
        if facts is None or "head" not in facts:
            what = f"{served.name!r} has no head: {instead}"
            raise ApiError(400, what, code="model_not_supported", param="model")

        assert served.folder is not None
        key = f"{served.folder}:{weights_digest(facts)}"
        if key not in self._held:
            self._held[key] = asyncio.create_task(asyncio.to_thread(_open, served.folder))
        self._held.move_to_end(key)
        while len(self._held) > MOST:
            self._close(self._held.popitem(last=False)[1])
        try:
            return await asyncio.shield(self._held[key])
        except WhetError as error:
            self._held.pop(key, None)
            raise not_served(served, error) from error

    def close(self) -> None:
        for task in self._held.values():
            self._close(task)
        self._held.clear()

    def _close(self, task: asyncio.Task[ScoringModel]) -> None:
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().close()
        task.cancel()


def _facts(served: ServedModel) -> ModelFacts | None:
    return read_facts(served.folder) if served.folder else None


def _open(folder: Path) -> ScoringModel:
    return ScoringModel(*open_scorer(folder))
