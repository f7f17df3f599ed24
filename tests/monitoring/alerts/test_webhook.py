"""Messages of alarms: signed, sent to nobody else, and their URL is shown to nobody."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import pytest

from tests.monitoring.alerts.listener import Listener, listening
from whet.errors import InputError, RunError
from whet.monitoring.alerts.webhook import SECRET, Webhook


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as opened:
        yield opened


def test_a_message_has_its_key_in_the_header_and_the_body(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET, raising=False)
    Webhook(listener.url).send("form-1-alarm", {"event": "alarm", "question": "form"})
    ((headers, _),) = listener.requests
    assert headers["Idempotency-Key"] == listener.bodies[0]["key"] == "form-1-alarm"
    assert headers["X-Whet-Event"] == "alarm" and headers["X-Whet-Signature-256"] is None


def test_a_secret_signs_the_body_as_github_does(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "s3cret")
    Webhook(listener.url).send("k", {"event": "alarm"})
    headers, body = listener.requests[0]
    assert headers["X-Whet-Signature-256"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert b"s3cret" not in body and "s3cret" not in str(headers)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_not_taken_is_an_error_that_does_not_show_the_url(listener: Listener, status: int) -> None:
    listener.answers = [status]
    with pytest.raises(RunError, match=f"answers {status}") as caught:
        Webhook(listener.url).send("k", {"event": "alarm"})
    assert "secret-path" not in str(caught.value)
    assert len(listener.requests) == 1, "a redirection is not followed"


def test_nobody_there_is_an_error_without_the_url() -> None:
    with pytest.raises(RunError, match="refused") as caught:
        Webhook("http://127.0.0.1:9/secret-path").send("k", {"event": "alarm"})
    assert "secret-path" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host/x", "host/x", "http://", "http://[::1", "http://a:b@host/", "http://h/a b"],
)
def test_what_is_no_url_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Webhook(url)
    assert "a:b@" not in str(caught.value)
