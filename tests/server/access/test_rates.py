"""How much a key may ask, by a clock that the test turns."""

from __future__ import annotations

import pytest

from whet.server.access.rates import Rates
from whet.server.errors import ApiError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_holds_its_requests_and_no_more() -> None:
    clock = Clock()
    rates = Rates(clock)
    left = [rates.admit("k", 3, None)["x-ratelimit-remaining-requests"] for _ in range(3)]
    assert left == ["2", "1", "0"]

    with pytest.raises(ApiError) as refused:
        rates.admit("k", 3, None)
    assert refused.value.status == 429 and refused.value.headers["Retry-After"] == "20"

    clock.now += 20
    rates.admit("k", 3, None)
    with pytest.raises(ApiError):
        rates.admit("k", 3, None)


def test_over_hours_a_key_gets_its_limit_and_not_more() -> None:
    clock = Clock()
    rates = Rates(clock)
    admitted = 0
    for _ in range(60 * 60 * 2):
        clock.now += 0.5
        try:
            rates.admit("k", 10, None)
            admitted += 1
        except ApiError:
            pass
    assert 600 <= admitted <= 610


def test_tokens_are_taken_afterwards_and_may_be_owed() -> None:
    clock = Clock()
    rates = Rates(clock)
    rates.admit("k", None, 60)
    rates.spend("k", 120)

    with pytest.raises(ApiError) as refused:
        rates.admit("k", None, 60)
    assert "60 tokens a minute" in refused.value.message

    clock.now += 62
    assert rates.admit("k", None, 60)["x-ratelimit-remaining-tokens"] == "2"


def test_keys_do_not_share_their_limits() -> None:
    rates = Rates(Clock())
    rates.admit("one", 1, None)
    assert rates.admit("other", 2, None)["x-ratelimit-remaining-requests"] == "1"
    with pytest.raises(ApiError):
        rates.admit("one", 1, None)


def test_a_request_refused_for_its_tokens_is_not_counted() -> None:
    clock = Clock()
    rates = Rates(clock)
    rates.admit("k", 10, 60)
    rates.spend("k", 600)
    for _ in range(5):
        with pytest.raises(ApiError):
            rates.admit("k", 10, 60)
    clock.now += 600
    rates.spend("k", -1000)
    assert rates.admit("k", 10, 60)["x-ratelimit-remaining-requests"] == "9"


def test_without_limits_nothing_is_said() -> None:
    assert Rates(Clock()).admit("k", None, None) == {}
