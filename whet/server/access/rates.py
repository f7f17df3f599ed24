"""How much a key may ask: buckets of requests and of tokens that fill by the minute (leaky buckets, ITU-T I.371).

A request is admitted while its key's bucket of tokens holds any; what it cost is taken afterwards, and may be a debt.
Buckets lie in this process, or in the database, where several servers take from the same ones (shared_buckets.py).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.exc import DBAPIError

from whet.server.access.caller import Caller
from whet.server.errors import ApiError
from whet.server.settings import Settings

MINUTE = 60.0
REQUESTS, TOKENS = "requests", "tokens"
log = logging.getLogger("whet.server")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may use a minute; None: as much as it likes."""

    requests: int | None
    tokens: int | None


def limits_of(caller: Caller, settings: Settings) -> Limits:
    """Its own, or those of the service."""
    requests = caller.requests_per_minute or settings.requests_per_minute
    return Limits(requests, caller.tokens_per_minute or settings.tokens_per_minute)


@dataclass(slots=True)
class Bucket:
    """`limit` a minute; `held` of them at the moment `seen`."""

    limit: int
    held: float
    seen: float

    def fill(self, now: float) -> None:
        self.held = min(float(self.limit), self.held + max(0.0, now - self.seen) * self.limit / MINUTE)
        self.seen = now

    def seconds_until(self, amount: float) -> float:
        """Until so much is held."""
        return max(0.0, (amount - self.held) * MINUTE / self.limit)


class Buckets(Protocol):
    """Where buckets lie between two requests."""

    waits: bool
    """Whether taking takes longer than an event loop may wait."""

    def taken(self, key: str, limits: Mapping[str, int]) -> AbstractContextManager[dict[str, Bucket]]:
        """The buckets of a key, filled up to now and nobody else's within the block. What the block leaves in them is
        kept, unless it raises."""
        ...


class OwnBuckets:
    """In this process alone. `clock` gives seconds."""

    waits = False

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._held: dict[tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, key: str, limits: Mapping[str, int]) -> Iterator[dict[str, Bucket]]:
        with self._lock:
            yield {what: self._bucket(key, what, limit) for what, limit in limits.items()}

    def _bucket(self, key: str, what: str, limit: int) -> Bucket:
        now = self.clock()
        bucket = self._held.get((key, what))
        if bucket is None or bucket.limit != limit:
            bucket = self._held[key, what] = Bucket(limit, float(limit), now)
        bucket.fill(now)
        return bucket


class Rates:
    def __init__(self, buckets: Buckets) -> None:
        self.buckets = buckets
        self._spending = ThreadPoolExecutor(1, "whet-rates") if buckets.waits else None

    def admit(self, key: str, limits: Limits) -> dict[str, str]:
        """Take one request of the key; OpenAI's headers of what is left. Raises ApiError 429 with Retry-After."""
        named = {what: limit for what, limit in ((REQUESTS, limits.requests), (TOKENS, limits.tokens)) if limit}
        if not named:
            return {}
        with self.buckets.taken(key, named) as buckets:
            for what, bucket in buckets.items():
                if bucket.held < 1:
                    raise _too_many(what, bucket)
            if REQUESTS in buckets:
                buckets[REQUESTS].held -= 1

        headers: dict[str, str] = {}
        for what, bucket in buckets.items():
            headers |= _headers(what, bucket)
        return headers

    def spend(self, key: str, limits: Limits, tokens: int) -> None:
        """Take what an answer cost, where the key's tokens are limited. Returns at once."""
        if not limits.tokens:
            return
        if self._spending is None:
            self._take(key, limits.tokens, tokens)
        else:
            self._spending.submit(self._take, key, limits.tokens, tokens)

    def close(self) -> None:
        """Returns when everything that was spent is taken."""
        if self._spending is not None:
            self._spending.shutdown()

    def _take(self, key: str, limit: int, tokens: int) -> None:
        try:
            with self.buckets.taken(key, {TOKENS: limit}) as buckets:
                buckets[TOKENS].held -= tokens
        except DBAPIError as error:
            log.warning("%d tokens of a key were not counted: %s", tokens, error.orig)


def _headers(what: str, bucket: Bucket) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{what}": str(bucket.limit),
        f"x-ratelimit-remaining-{what}": str(max(0, math.floor(bucket.held))),
        f"x-ratelimit-reset-{what}": f"{bucket.seconds_until(bucket.limit):.3f}s",
    }


def _too_many(what: str, bucket: Bucket) -> ApiError:
    wait = max(1, math.ceil(bucket.seconds_until(1)))
    told = f"This key may use {bucket.limit:,} {what} a minute, and has used them: try again in {wait} s."
    return ApiError(429, told, code="rate_limit_exceeded", headers={"Retry-After": str(wait)})
