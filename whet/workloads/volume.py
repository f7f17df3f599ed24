"""How much a workload is asked, what that costs now, and how long its answers take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypedDict

import numpy as np

from whet.monitoring.trace import Trace

MILLION, DAY, MONTH_DAYS, MONTH_HOURS = 1_000_000, 86_400, 30, 730


@dataclass(frozen=True, slots=True)
class Prices:
    """Of the big model, in dollars a million tokens."""

    into: float
    out: float


class SecondsFacts(TypedDict):
    p50: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class Volume:
    """Means are over the requests that tell; None where none does."""

    requests: int
    tokens_in: float | None
    tokens_out: float | None
    seconds: SecondsFacts
    usd_a_request: float | None
    priced_by: str | None
    """`given`: tokens at the prices that were given; `log`: what the log says of each request."""
    days: float | None
    """From the first request to the last."""

    @property
    def usd_per_1000(self) -> float | None:
        return None if self.usd_a_request is None else 1000 * self.usd_a_request

    @property
    def usd(self) -> float | None:
        """Of all requests in the log."""
        return None if self.usd_a_request is None else self.requests * self.usd_a_request


def volume_of(traces: Sequence[Trace], prices: Prices | None) -> Volume:
    tokens_in = _mean([trace.prompt_tokens for trace in traces])
    tokens_out = _mean([trace.answer_tokens for trace in traces])
    seconds = [trace.seconds for trace in traces if trace.seconds is not None]
    times = [trace.at for trace in traces if trace.at is not None]
    usd, by = _usd(traces, tokens_in, tokens_out, prices)
    quantiles = np.quantile(seconds, [0.5, 0.9]).tolist() if seconds else [None, None]
    return Volume(
        requests=len(traces),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        seconds={"p50": quantiles[0], "p90": quantiles[1]},
        usd_a_request=usd,
        priced_by=by,
        days=(max(times) - min(times)) / DAY if len(times) > 1 else None,
    )


def _usd(
    traces: Sequence[Trace], tokens_in: float | None, tokens_out: float | None, prices: Prices | None
) -> tuple[float | None, str | None]:
    """Dollars a request, and who says so: prices that were given go before what the log says."""
    if prices is not None:
        if tokens_in is None or tokens_out is None:
            return None, None
        return (tokens_in * prices.into + tokens_out * prices.out) / MILLION, "given"
    told = _mean([trace.usd for trace in traces])
    return told, None if told is None else "log"


def _mean(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return fmean(told) if told else None


def local_usd_per_1000(seconds: float, machine_usd_per_hour: float) -> float:
    """Dollars a thousand answers of a machine that does nothing else."""
    return 1000 * seconds * machine_usd_per_hour / 3600
