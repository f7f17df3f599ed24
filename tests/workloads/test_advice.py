"""What is advised, from scores alone: held to the bad end, the least that is enough, and never by luck."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.workloads.made_logs import log_of
from whet.stats.paired import mean_interval, wilson
from whet.workloads.advice import WayFacts, advise, bad_end
from whet.workloads.savings import Judged, advice_of, savings_of, sentence_of
from whet.workloads.time_split import quantile
from whet.workloads.volume import Prices, Volume, volume_of

ROWS, TRIED = 200, 6


def way(name: str, right: int, usd: float = 0.01) -> WayFacts:
    scores = [1.0] * right + [0.0] * (ROWS - right)
    low, high = wilson(right, ROWS)
    facts: dict[str, Any] = {"name": name, "label": name, "score": right / ROWS, "interval": [low, high]}
    facts |= {"bad_end": bad_end(scores, right / ROWS, low, TRIED), "usd_per_1000": usd, "seconds_per_answer": 0.1}
    return facts | {"prompt_tokens": 50.0, "answer_tokens": 5.0}  # type: ignore[return-value]


CASES = {
    "a fixed answer is enough": (198, 199, 199, 199, 199),
    "base is enough": (20, 195, 199, 199, 199),
    "a prompt is enough": (20, 100, 195, 196, 199),
    "few-shot is enough": (20, 100, 120, 195, 199),
    "tune": (20, 60, 80, 110, 196),
    "keep the big one": (20, 60, 80, 110, 150),
}


def ways(*right: int, usd: float = 0.01) -> list[WayFacts]:
    names = ("constant", "zero-shot", "prompted", "few-shot-nearest", "tuned")
    return [way(name, number, usd) for name, number in zip(names, right, strict=True)]


@pytest.mark.parametrize("word", CASES)
def test_the_least_that_reaches_the_goal_is_enough(word: str) -> None:
    found = advise(random.Random(0).sample(ways(*CASES[word]), 5), 0.9, 5.0)
    assert found.word == word and (found.way is None) == (word == "keep the big one")


def test_the_bad_end_decides_and_not_the_score() -> None:
    found = advise(ways(20, 60, 80, 110, 186), 0.9, 5.0)  # 93%: at least 88%, or 87% of six
    assert found.word == "keep the big one" and found.reason.startswith("the rows cannot tell")
    assert advise(ways(20, 60, 80, 110, 150), 0.9, 5.0).reason.startswith("none of the small ones is enough")


def test_to_try_many_ways_lets_none_pass_by_luck() -> None:
    """Six ways that agree in exactly what is asked for, in 400 logs: one passes in at most 1 of 20."""
    draw, passed = random.Random(3), 0
    for _ in range(400):
        drawn = [sum(draw.random() < 0.9 for _ in range(ROWS)) for _ in range(5)]
        passed += advise(ways(*drawn), 0.9, 5.0).word != "keep the big one"
    assert passed <= 0.05 * 400


def test_what_costs_more_than_the_big_one_is_not_advised() -> None:
    dear = advise(ways(20, 60, 80, 110, 198, usd=7.0), 0.9, 5.0)
    assert dear.word == "keep the big one" and "costs $7 a thousand answers, and the big one 5" in dear.reason
    assert advise(ways(20, 60, 80, 110, 198, usd=7.0), 0.9, None).word == "tune"


def test_a_way_that_takes_more_and_costs_half_is_named() -> None:
    few, tuned = way("few-shot", 197, usd=0.4), way("tuned", 198, usd=0.1)
    found = advise([way("zero-shot", 3), few, tuned], 0.9, 5.0)
    assert found.word == "few-shot is enough" and "tuned reaches it too, at $0.1 in the place of $0.4" in found.reason


def test_the_bad_end_of_other_scores_is_further_off_than_that_of_one_interval() -> None:
    draw = random.Random(1)
    scores = [draw.random() for _ in range(80)]
    low, _ = mean_interval(scores)
    mean = sum(scores) / 80
    assert bad_end(scores, mean, low, 6) == pytest.approx(mean - quantile(6) / 1.959964 * (mean - low), rel=1e-6)
    assert bad_end(scores, mean, low, 1) == pytest.approx(low)
    clustered = bad_end([1.0, 0.0] * 40, 0.5, 0.2, 6)  # whose interval is not Wilson's
    assert clustered < 0.2


def volume(days: float | None = 10.0, requests: int = 1000, usd: float | None = 0.01) -> Volume:
    return Volume(requests, 100.0, 10.0, {"p50": 2.0, "p90": 3.0}, usd, "given", days)


def test_a_month_is_told_from_the_logs_own_volume_with_a_machine_that_is_always_on() -> None:
    judged = [Judged(volume(requests=600), 0.5), Judged(volume(requests=300), None)]
    found = savings_of(volume(), judged, 0.005)
    assert found["requests"] == 3000 and found["big_usd"] == pytest.approx(30) and found["machines"] == 1
    assert found["saved_usd"] == pytest.approx(18 - 730 * 0.005)
    assert advice_of(judged, found) == "use small ones for some"
    said = sentence_of(volume(), judged, found)
    assert said.startswith("Of 2 workloads that could be compared 1 (60% of all requests) need no big model. ")
    assert "That would save $14.35 of $30.00 a month" in said
    busy = savings_of(volume(), [Judged(volume(requests=600), 7300.0)], 0.005)
    assert busy["machines"] == 5, "1,800 answers of 7,300 seconds each take five machines"


def test_a_machine_that_costs_more_than_it_saves_keeps_the_big_one() -> None:
    judged = [Judged(volume(requests=600), 0.5)]
    found = savings_of(volume(), judged, 0.1)
    assert advice_of(judged, found) == "keep the big one" and "keep the big one" in sentence_of(volume(), judged, found)


@pytest.mark.parametrize("days", [None, 0.2])
def test_no_month_is_told_of_a_log_without_times_or_of_some_hours(days: float | None) -> None:
    judged = [Judged(volume(days), 0.5)]
    found = savings_of(volume(days), judged, 0.1)
    assert found["saved_usd"] is None and "a month would cost is not told" in sentence_of(volume(days), judged, found)


def test_prices_that_are_given_go_before_what_the_log_says() -> None:
    traces = log_of(["red"] * 4, usd=0.5)
    assert volume_of(traces, None).usd == 2.0 and volume_of(traces, None).priced_by == "log"
    given = volume_of(traces, Prices(10.0, 100.0))
    assert given.usd_per_1000 == pytest.approx(2.0) and given.priced_by == "given"
    assert given.seconds == {"p50": 2.0, "p90": 2.0} and given.days == pytest.approx(3 / 24)
    assert volume_of(log_of(["red"], prompt_tokens=None), Prices(1, 1)).usd is None
