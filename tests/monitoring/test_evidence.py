"""The end of an alarm needs as much evidence as its beginning."""

from __future__ import annotations

from whet.monitoring.evidence import ScoreWatch
from whet.monitoring.memory.arrival import Place


def ends(bad: int, of: int, good: int) -> bool:
    """Whether an alarm since which `bad` of each `of` observations were bad has ended after so many good ones."""
    watch = ScoreWatch("bad", [0.0] * 200, 0.05, 0, 100)
    number = 0

    def see(score: float, times: int = 1) -> None:
        nonlocal number
        for _ in range(times):
            watch.see(score, Place(number, str(number), ""))
            number += 1

    while watch.crossing is None:
        see(1.0)
    for _ in range(120 // of):
        see(1.0, bad)
        see(0.0, of - bad)
    see(0.0, good)
    return watch.ended is not None


def test_an_alarm_ends_where_the_bets_say_so_and_not_because_the_mean_is_low() -> None:
    assert ends(bad=3, of=6, good=300)
    assert not ends(bad=3, of=6, good=5)
    assert not ends(bad=1, of=6, good=300), "ranks of what was common before are never small: a person ends it"
