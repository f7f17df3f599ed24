"""What a choice may cost: hours, memory and dollars; what was spent of it, and what is left."""

from __future__ import annotations

import math
from dataclasses import dataclass

from whet.errors import InputError
from whet.planning.machine import parse_memory

HOUR = 3600
AT_LEAST_ONE = "give at least one of --hours 2, --memory 8GB and --usd 5"


@dataclass(frozen=True, slots=True)
class Budget:
    """None: no bound. `memory` in bytes; `price_per_hour` of this machine in dollars."""

    hours: float | None
    memory: int | None
    usd: float | None
    price_per_hour: float | None

    def seconds(self) -> float:
        """That this machine may work in all; infinity without a bound."""
        if self.hours is None:
            return math.inf
        return HOUR * self.hours

    def price(self, seconds: float) -> float:
        """Dollars of so many seconds of this machine."""
        return seconds * (self.price_per_hour or 0.0) / HOUR


def read_budget(
    hours: float | None, memory: str | None, usd: float | None, price_per_hour: float | None, local: bool, remote: bool
) -> Budget:
    """`local` and `remote`: whether such candidates are there. Raises InputError for no bound, for one that is not
    above 0, and where dollars are to be compared and this machine has no price."""
    if hours is None and memory is None and usd is None:
        raise InputError("there is no budget", where="--hours", fix=AT_LEAST_ONE)
    for name, value in (("hours", hours), ("usd", usd)):
        if value is not None and not 0 < value < math.inf:
            raise InputError("a budget is a number above 0", where=f"--{name}", value=value, fix=AT_LEAST_ONE)
    if price_per_hour is not None and not 0 <= price_per_hour < math.inf:
        fix = "give dollars an hour, 0 or more"
        raise InputError("this is no price", where="--price-per-hour", value=price_per_hour, fix=fix)

    if local and price_per_hour is None and (remote or usd is not None):
        what = "dollars are compared, and this machine has no price"
        fix = "give --price-per-hour, in dollars; 0 if it costs nothing"
        raise InputError(what, where="--price-per-hour", fix=fix)
    return Budget(hours, parse_memory(memory) if memory else None, usd, price_per_hour)


@dataclass(slots=True)
class Purse:
    """What was spent: seconds of this machine, and dollars of servers."""

    budget: Budget
    seconds: float = 0.0
    server_usd: float = 0.0

    @property
    def usd(self) -> float:
        """Dollars in all."""
        return self.server_usd + self.budget.price(self.seconds)

    @property
    def usd_left(self) -> float:
        if self.budget.usd is None:
            return math.inf
        return self.budget.usd - self.usd

    @property
    def seconds_left(self) -> float:
        """By the hours, and by the dollars where this machine costs some."""
        left = self.budget.seconds() - self.seconds
        if self.budget.usd is not None and self.budget.price_per_hour:
            left = min(left, HOUR * self.usd_left / self.budget.price_per_hour)
        return left


class BudgetSpent(InputError):
    """What is to be done next would cost more than is left."""
