"""Times, counts and kinds of errors, as loggers write them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from whet.monitoring.logs.contents.opinions import opinion
from whet.monitoring.logs.contents.values import count, duration, error_kind, moment
from whet.monitoring.trace import Feedback

SECONDS = 1_790_000_000.0


@pytest.mark.parametrize(
    "value",
    [
        1_790_000_000,
        1_790_000_000.0,
        "1790000000",
        "1790000000.0",
        1_790_000_000_000,
        1_790_000_000_000_000,
        1_790_000_000_000_000_000,
        "1790000000000000000",
        "2026-09-21T14:13:20Z",
        "2026-09-21T14:13:20.000000000Z",
        "2026-09-21 14:13:20.000000",
        "2026-09-21T16:13:20+02:00",
        " 2026-09-21 14:13:20 UTC",
        datetime(2026, 9, 21, 14, 13, 20),
        datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC),
    ],
)
def test_times_in_all_units(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    if hasattr(time, "tzset"):
        time.tzset()
    assert moment(value) == SECONDS
    monkeypatch.undo()
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        0,
        -5,
        True,
        float("nan"),
        float("inf"),
        10**400,
        "9" * 400,
        "1e999",
        [],
        {},
        "0001-01-01T00:00:00Z",
        "²",
    ],
)
def test_what_is_no_time(value: Any) -> None:
    assert moment(value) is None
    assert duration(value) is None or value in (0, "9" * 400)


@pytest.mark.parametrize(
    ("value", "read"), [(7, 7), (7.0, 7), ("7", 7), (7.5, None), (-1, None), (True, None), (10**30, None), ("x", None)]
)
def test_counts(value: Any, read: int | None) -> None:
    assert count(value) == read


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, None),
        ("", None),
        ("litellm.exceptions.RateLimitError: key sk-1 is over", "RateLimitError"),
        ("rate_limit", "rate_limit"),
        ("the key of ada@example.org is wrong", "error"),
        ({"error": {"type": "server_error", "message": "x"}}, "server_error"),
        ({"message": "TimeoutError()"}, "TimeoutError"),
        (503, "503"),
    ],
)
def test_the_kind_of_an_error_holds_no_words_of_people(value: Any, kind: str | None) -> None:
    assert error_kind(value) == kind


@pytest.mark.parametrize(
    ("given", "feedback"),
    [
        (("thumb", 1, None, None, None), Feedback(good=True)),
        (("thumb", 0, "False", "no", "ada"), Feedback(good=False, comment="no", by="ada")),
        (("thumb", None, "Thumbs-Up", None, None), Feedback(good=True)),
        (("thumb", -1, None, None, None), Feedback(good=False)),
        (("quality", 0.75, None, None, None), Feedback(label="quality: 0.75")),
        (("team", 1, "returns", None, None), Feedback(label="team: returns")),
        (("x", None, None, "just words", None), Feedback(comment="just words")),
        (("x", None, None, None, "ada"), None),
    ],
)
def test_opinions(given: tuple[Any, ...], feedback: Feedback | None) -> None:
    assert opinion(*given) == feedback
