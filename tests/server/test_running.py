"""Starting and stopping, as an operator sees it: a process, its first words, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from whet.errors import InputError
from whet.server.running import is_loopback, listening, refuse_open
from whet.server.settings import Settings


def started(home: Path, *options: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    command = [sys.executable, "-m", "whet", "serve", "--home", str(home), "--port", "0", "--workers", "0", "--json"]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CI": "true"},
    )
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        process.wait(10)
        return process, {}
    return process, json.loads(line)


def status(url: str, key: str | None = None) -> int:
    request = Request(url, headers={"authorization": f"Bearer {key}"} if key else {})
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status
    except OSError as error:
        return getattr(error, "code", 0)


def test_the_first_start_gives_a_key_and_the_second_takes_it(tmp_path: Path) -> None:
    process, said = started(tmp_path / "home")
    try:
        assert status(said["url"] + "/nothing", said["key"]) == 404
        assert status(said["url"] + "/nothing") == 401
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0

    again, said_again = started(tmp_path / "home")
    try:
        assert said_again["key"] is None
        assert status(said_again["url"] + "/nothing", said["key"]) == 404
    finally:
        again.send_signal(signal.SIGINT)
    assert again.wait(20) == 0
    told = again.stderr.read() if again.stderr else ""
    assert said["key"] not in told and "Traceback" not in told and "stopped" in told


def test_an_address_in_use_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process, said = started(tmp_path / "home", "--port", port)
        assert process.wait(10) == 1
        assert "cannot be listened at" in said["error"]["what"]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_without_keys_nobody_else_is_answered(host: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="everybody"):
        refuse_open(Settings(home=tmp_path, host=host, auth=False))
    refuse_open(Settings(home=tmp_path, host=host, auth=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_may_be_answered_without_keys(host: str, tmp_path: Path) -> None:
    assert is_loopback(host)
    refuse_open(Settings(home=tmp_path, host=host, auth=False))


def test_an_answer_in_two_parts_does_not_wait_for_the_client(tmp_path: Path) -> None:
    with listening(Settings(home=tmp_path, port=0)) as heard, socket.create_connection(heard.getsockname()):
        accepted, _ = heard.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
