"""What answers cost, as they are written: numbers for Prometheus, and tokens off the caller's limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from whet.server.metrics import Metrics
from whet.server.telemetry.watch import Watch


@dataclass(slots=True)
class AnswerMeter:
    """One answer. Times are monotonic seconds."""

    meter: Meter
    began: float = field(default_factory=time.monotonic)
    last: float | None = None
    written: int = 0
    place: int = 0
    """Among the answers of its request."""

    def __post_init__(self) -> None:
        if self.meter.watch:
            self.place = self.meter.watch.begin_answer()

    def token(self) -> None:
        """A token has come."""
        now, metrics, name = time.monotonic(), self.meter.metrics, self.meter.model
        if self.last is None:
            metrics.first_token.labels(name).observe(now - self.began)
        else:
            metrics.between_tokens.labels(name).observe(now - self.last)
        self.last = now
        self.written += 1
        if self.meter.watch:
            self.meter.watch.token()

    def end(self, reason: str) -> None:
        """It has ended, or nobody waits for it any more ("abort")."""
        metrics, name = self.meter.metrics, self.meter.model
        metrics.written_tokens.labels(name).inc(self.written)
        metrics.ended.labels(name, reason).inc()
        metrics.whole_answer.labels(name).observe(time.monotonic() - self.began)
        self.meter.spend(self.written)
        if self.meter.watch:
            self.meter.watch.end_answer(self.place, self.written, reason)


@dataclass(frozen=True, slots=True)
class Meter:
    """Of one request to `model`. `spend` takes tokens off what its key may use."""

    metrics: Metrics
    model: str
    spend: Callable[[int], None]
    watch: Watch | None = None
    """Of the request, where it is traced."""

    def read(self, prompt: int) -> None:
        """So many tokens of a prompt are read, once for all of its answers."""
        self.metrics.prompt_tokens.labels(self.model).inc(prompt)
        self.spend(prompt)
        if self.watch:
            self.watch.reads(prompt)

    def answer(self) -> AnswerMeter:
        return AnswerMeter(self)
