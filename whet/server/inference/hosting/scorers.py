"""Models with a head: classifiers and reward models, each in a thread of its own that reads many texts at once."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from whet.errors import WhetError
from whet.model.heads.linear import Scorer
from whet.model.heads.sequence_classifier import open_scorer, score_rows
from whet.model.saved_model import ModelFacts, read_facts
from whet.server.errors import ApiError
from whet.server.inference.catalogue import ServedModel
from whet.server.inference.hosting.hosts import not_served
from whet.store.checksums import weights_digest

MOST = 4
"""Models with a head in memory at once."""


@dataclass(slots=True)
class _Waiting:
    rows: list[list[int]]
    scores: Future[Tensor]


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
        waiting = _Waiting(list(rows), Future())
        with self._changed:
            self._waiting.append(waiting)
        self._thread.submit(self._score)
        return await asyncio.wrap_future(waiting.scores)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _score(self) -> None:
        with self._changed:
            batch, self._waiting = self._waiting, []
        batch = [one for one in batch if one.scores.set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            score_RK = score_rows(self.scorer, [row for one in batch for row in one.rows])
        except Exception as error:
            for one in batch:
                one.scores.set_exception(error)
            return
        for one in batch:
            mine_RK, score_RK = score_RK[: len(one.rows)], score_RK[len(one.rows) :]
            one.scores.set_result(mine_RK)


class Scorers:
    """Opened at first use, which proves them; the one that is used least leaves. Used in one event loop."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, asyncio.Task[ScoringModel]] = OrderedDict()

    async def open(self, served: ServedModel) -> ScoringModel:
        """Raises ApiError: 400 for a model that writes words, 503 for one that is not proved."""
        try:
            facts = await asyncio.to_thread(_facts, served)
        except WhetError as error:
            raise not_served(served, error) from error
        if facts is None or "head" not in facts:
            what = f"{served.name!r} writes words and gives no scores: ask it at /v1/chat/completions."
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
