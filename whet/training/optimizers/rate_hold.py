"""The rate is held until the validation rows say that more passes no longer help; then it is lowered to its end.

A cosine to a far end hardly lowers the rate when it is stopped early, and one to a near end stops what still learns. So
the shortest run is a cosine of `shortest` steps, and a run that still learns in its middle waits there: it holds the
rate it has (half of the peak) for as long as validation improves, and then takes the second half of the cosine. A
constant rate with a short way down equals a cosine of the same length (Hägele et al. 2024, arXiv 2405.18392), and needs
no length beforehand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from whet.recipe.schema import Schedule

GAIN, LEAST_GAIN = 0.03, 0.005
"""A validation loss still falls when the last validations lowered it by this share, and by so many nats a token. Both
are set, not fitted: with them banking20 of bench/sets.py made 240 steps on nano instead of 150, and banking77 623
instead of 274."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Which step a run may turn at, and where it then ends. Steps are counted from 1, as they are done."""

    shortest: int
    longest: int

    @property
    def way_down(self) -> int:
        """Steps from the turn to the end."""
        return self.shortest - self.shortest // 2

    def middle(self, step: int, every: int) -> bool:
        """Is this the validation nearest to the middle of the shortest run, or a later one?"""
        return 2 * step + every > self.shortest

    def last_turn(self, step: int, every: int) -> bool:
        """Would the next validation be too late to turn?"""
        return step + every + self.way_down > self.longest

    def expected(self, step: int, turned: int | None) -> int:
        """Steps of the whole run, as far as it is known after `step`."""
        if turned is None:
            return max(self.shortest, step + self.way_down)
        return turned + self.way_down


def hold_of(schedule: Schedule, total: int) -> Hold | None:
    """None for a schedule whose length is fixed."""
    if schedule.kind != "hold":
        return None
    assert schedule.shortest
    return Hold(min(schedule.shortest, total), total)


def held_rate(step: int, schedule: Schedule, hold: Hold, turned: int | None) -> float:
    """Share of the peak at a step counted from 0, after the warm-up: a cosine that waits in its middle."""
    warmup = round(schedule.warmup * hold.shortest)
    done = (step - warmup) / max(1, hold.shortest - warmup)

    if turned is None:
        done = min(done, 0.5)
    else:
        at = min(max(0.0, (turned - warmup) / max(1, hold.shortest - warmup)), 0.5)
        if step >= turned:
            done = at + (1 - at) * min(1.0, (step - turned) / hold.way_down)
        else:
            done = min(done, 0.5)

    return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * done))


def still_falling(losses: list[float], window: int) -> bool:
    """Did the last `window` validation losses improve on all before them by enough to go on?"""
    if len(losses) <= window:
        return True
    before, now = min(losses[:-window]), min(losses[-window:])
    return before - now > max(GAIN * abs(before), LEAST_GAIN)


def still_rising(accuracies: list[float], rows: float, window: int) -> bool:
    """The same of the share of validation rows that are answered right: by more than its standard error."""
    if len(accuracies) <= window:
        return bool(accuracies)
    before, now = max(accuracies[:-window]), max(accuracies[-window:])
    return now - before > standard_error(before, now, rows)


def standard_error(first: float, second: float, rows: float) -> float:
    """Of a share near the mean of two, over so many rows."""
    mean = (first + second) / 2
    if rows:
        return math.sqrt(mean * (1 - mean) / rows)
    return 0.0
