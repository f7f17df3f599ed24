"""How much a key may ask: buckets of requests and of tokens that fill by the minute (leaky buckets, ITU-T I.371).

A request is admitted while its key's bucket of tokens holds any; what it cost is taken afterwards, and may be a debt.
Counted in this process alone: two servers over one database admit twice as much.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from whet.server.errors import ApiError

MINUTE = 60.0


@dataclass(slots=True)
class Bucket:
    """`limit` a minute; `held` of them at the moment `seen`."""

    limit: int
    held: float
    seen: float

    def fill(self, now: float) -> None:
        self.held = min(float(self.limit), self.held + (now - self.seen) * self.limit / MINUTE)
        self.seen = now

    def seconds_until(self, amount: float) -> float:
        """Until so much is held."""
        return max(0.0, (amount - self.held) * MINUTE / self.limit)


class Rates:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()

    def admit(self, key: str, requests: int | None, tokens: int | None) -> dict[str, str]:
        """Take one request of the key; OpenAI's headers of what is left. Raises ApiError 429 with Retry-After."""
        with self._lock:
            limits = {"requests": requests, "tokens": tokens}
            buckets = {what: self._bucket(key, what, limit) for what, limit in limits.items() if limit}
            for what, bucket in buckets.items():
                if bucket.held < 1:
                    raise _too_many(what, bucket)

            if "requests" in buckets:
                buckets["requests"].held -= 1
            headers: dict[str, str] = {}
            for what, bucket in buckets.items():
                headers |= _headers(what, bucket)
        return headers

    def spend(self, key: str, tokens: int) -> None:
        """Take what an answer cost, where the key's tokens are limited."""
        with self._lock:
            bucket = self._buckets.get((key, "tokens"))
            if bucket:
                bucket.fill(self.clock())
                bucket.held -= tokens

    def _bucket(self, key: str, what: str, limit: int) -> Bucket:
        now = self.clock()
        bucket = self._buckets.get((key, what))
        if bucket is None or bucket.limit != limit:
            bucket = self._buckets[key, what] = Bucket(limit, float(limit), now)
        bucket.fill(now)
        return bucket


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
