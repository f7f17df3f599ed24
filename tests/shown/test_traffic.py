"""The streams of the table in docs/running/traffic.md: nothing is decided where nothing differs, and the other way."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from bench.shown.traffic import CASES, Case, decided, is_met, measured, thumbs
from whet.stats import two_streams

ALIKE = [case for case in CASES if not case.differs]
APART = [case for case in CASES if case.differs]


@pytest.fixture(autouse=True)
def zero_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_streams, "MEANS_M", np.array([0.0]))


def test_a_line_says_how_many_decided_and_after_how_many_clients() -> None:
    case = Case("x", 0.5, partial(thumbs, clients=300, live=0.9, new=0.1), differs=True)
    name, share, streams, wrong, right, clients = measured(case, 10)
    assert (name, share, streams) == ("x", "50%", 2) and str(wrong).startswith("0.0%") and str(right).startswith("100")
    assert 5 <= int(str(clients)) <= 60


def test_a_decision_comes_with_the_client_who_made_it_enough() -> None:
    said = thumbs(np.random.default_rng(0), 0.5, 400, 0.9, 0.3)
    found = decided(said, 0.5)
    assert found is not None and found[0] is False
    assert decided(said[: found[1]], 0.5) == found and decided(said[: found[1] - 1], 0.5) is None


def test_clients_are_shared_as_the_service_does() -> None:
    assert np.mean([is_met(str(number), 0.2) for number in range(3000)]) == pytest.approx(0.2, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("case", ALIKE, ids=[f"{case.name} {case.share}" for case in ALIKE])
def test_versions_that_are_alike_are_seldom_told_apart(case: Case) -> None:
    random = np.random.default_rng(7)
    stopped = [decided(case.draw(random, case.share), case.share) is not None for _ in range(300)]
    assert np.mean(stopped) <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("case", APART, ids=[f"{case.name} {case.share}" for case in APART])
def test_versions_that_differ_are_told_apart_the_right_way(case: Case) -> None:
    random = np.random.default_rng(8)
    found = [decided(case.draw(random, case.share), case.share) for _ in range(30)]
    wrong = [one for one in found if one is not None and one[0] != case.better]
    assert len(wrong) <= 1 and sum(one is not None for one in found) >= 20
