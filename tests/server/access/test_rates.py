"""How much a key may ask, by a clock that the test turns; buckets in the process and in databases of both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.server.conftest import new_database
from whet.server.access.rates import Limits, OwnBuckets, Rates
from whet.server.access.shared_buckets import SharedBuckets
from whet.server.database.opening import Database, open_database
from whet.server.errors import ApiError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["own", "sqlite", "postgresql"])
def rates(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Rates]:
    if request.param == "own":
        yield Rates(OwnBuckets(clock))
        return
    url = f"sqlite:///{tmp_path / 'rates.sqlite'}"
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgres"))
    database = open_database(url)
    yield Rates(SharedBuckets(database, clock))
    database.close()


def spend(rates: Rates, limits: Limits, tokens: int) -> None:
    """Once it is taken."""
    rates.spend("k", limits, tokens)
    if rates._spending is not None:
        rates._spending.submit(int).result()


def admitted(rates: Rates, times: int, limits: Limits) -> int:
    count = 0
    for _ in range(times):
        try:
            rates.admit("k", limits)
            count += 1
        except ApiError:
            pass
    return count


def test_a_minute_holds_its_requests_and_no_more(rates: Rates, clock: Clock) -> None:
    three = Limits(3, None)
    assert [rates.admit("k", three)["x-ratelimit-remaining-requests"] for _ in range(3)] == ["2", "1", "0"]
    with pytest.raises(ApiError) as refused:
        rates.admit("k", three)
    assert refused.value.status == 429 and refused.value.headers["Retry-After"] == "20"

    clock.now += 20
    rates.admit("k", three)
    with pytest.raises(ApiError):
        rates.admit("k", three)


def test_over_hours_a_key_gets_its_limit_and_not_more() -> None:
    clock = Clock()
    rates, count = Rates(OwnBuckets(clock)), 0
    for _ in range(60 * 60 * 2):
        clock.now += 0.5
        count += admitted(rates, 1, Limits(10, None))
    assert 600 <= count <= 610


def test_tokens_are_taken_afterwards_and_may_be_owed(rates: Rates, clock: Clock) -> None:
    sixty = Limits(None, 60)
    rates.admit("k", sixty)
    spend(rates, sixty, 120)
    with pytest.raises(ApiError) as refused:
        rates.admit("k", sixty)
    assert "60 tokens a minute" in refused.value.message

    clock.now += 62
    assert rates.admit("k", sixty)["x-ratelimit-remaining-tokens"] == "2"


def test_keys_do_not_share_their_limits(rates: Rates) -> None:
    rates.admit("one", Limits(1, None))
    assert rates.admit("other", Limits(2, None))["x-ratelimit-remaining-requests"] == "1"
    with pytest.raises(ApiError):
        rates.admit("one", Limits(1, None))


def test_a_request_refused_for_its_tokens_is_not_counted(rates: Rates, clock: Clock) -> None:
    both = Limits(10, 60)
    rates.admit("k", both)
    spend(rates, both, 600)
    assert admitted(rates, 5, both) == 0
    clock.now += 600
    assert rates.admit("k", both)["x-ratelimit-remaining-requests"] == "9"


def test_another_limit_begins_anew(rates: Rates) -> None:
    assert admitted(rates, 3, Limits(2, None)) == 2
    assert admitted(rates, 9, Limits(5, None)) == 5


def test_without_limits_nothing_is_said(rates: Rates) -> None:
    assert rates.admit("k", Limits(None, None)) == {}


def test_two_servers_at_once_give_no_more_than_one(database: Database) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    clock, ten = Clock(), Limits(10, None)
    with closing(open_database(url)) as other:
        servers = [Rates(SharedBuckets(database, clock)), Rates(SharedBuckets(other, clock))]
        with ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(lambda number: admitted(servers[number % 2], 4, ten), range(8)))
    assert sum(counts) == 10


def test_what_one_server_spent_is_missing_at_the_other(database: Database) -> None:
    """By the database's own clock."""
    servers = [Rates(SharedBuckets(database)), Rates(SharedBuckets(database))]
    hundred = Limits(None, 100)
    servers[0].spend("k", hundred, 250)
    servers[0].close()
    with pytest.raises(ApiError):
        servers[1].admit("k", hundred)
