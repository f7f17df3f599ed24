"""/v1/files, with the official client over a socket."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import pytest
from sqlalchemy import select, update

from tests.server.serving import Served, served
from whet.server.database.tables import chores, files
from whet.server.files.content import Contents
from whet.server.jobs.housekeeping import tidy

MOST = 200_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home"), most_body=MOST) as made:
        yield made


@pytest.fixture
def kept(service: Served) -> Iterator[list[str]]:
    """What the folder of contents holds beside what it held before: nothing, unless the test leaves it there."""
    folder = service.service.contents.folder
    before = set(os.listdir(folder))
    names: list[str] = []
    yield names
    assert set(os.listdir(folder)) - before == set(names)


def test_a_file_comes_back_as_it_was_sent(service: Served, kept: list[str]) -> None:
    client, content = service.client(), os.urandom(70_000) + b"\r\n--x\r\n"
    made = client.files.create(file=("photo.bin", content), purpose="user_data")
    kept.append(made.id)
    assert (made.status, made.bytes, made.filename, made.purpose) == (
        "processed",
        len(content),
        "photo.bin",
        "user_data",
    )
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == content

    with service.service.database.read() as connection:
        row = connection.execute(select(files).where(files.c.id == made.id)).one()
    assert row.sha256 == hashlib.sha256(content).hexdigest()


def test_rows_to_learn_wait_for_the_doctor(service: Served) -> None:
    made = service.client().files.create(file=("rows.jsonl", b"{}\n"), purpose="fine-tune")
    assert made.status == "uploaded"
    with service.service.database.read() as connection:
        subjects = connection.execute(select(chores.c.subject)).scalars().all()
    assert {"file": made.id, "base": "nano"} in subjects


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..\\..\\x", "a\0b", "\u202etxt.exe", "x" * 4000, "😀.jsonl", ""]
)
def test_a_name_is_only_a_text(service: Served, kept: list[str], name: str) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--b\r\n'
    shown = name.replace("\\", "\\\\").encode()
    body += b'Content-Disposition: form-data; name="file"; filename="' + shown[:3000] + b'"\r\n\r\nhi\r\n--b--\r\n'
    answer = _post(service, body)
    assert answer.status_code == 200, answer.text
    kept.append(answer.json()["id"])
    content = httpx.get(f"{service.url}/files/{kept[-1]}/content")
    assert content.text == "hi" and "\n" not in content.headers["content-disposition"]
    assert len(answer.json()["filename"]) <= 255 and "\0" not in answer.json()["filename"]


def test_too_large_is_refused_before_it_is_read_and_while(service: Served, kept: list[str]) -> None:
    with pytest.raises(openai.APIStatusError) as told:
        service.client().files.create(file=("big", b"x" * (MOST + 70_000)), purpose="user_data")
    assert told.value.status_code == 413 and told.value.code == "file_too_large"

    def pieces() -> Iterator[bytes]:  # without a Content-Length
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        for _ in range(10):
            yield b"x" * (MOST // 8)
        yield b"\r\n--b--\r\n"

    answer = _post(service, pieces())
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"nonsense", None),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhalf', None),
        (b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--b--\r\n', "file"),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n', "purpose"),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n' * 2 + b"--b--\r\n", "file"),
        (b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + b"y" * 2000 + b"\r\n--b--\r\n", "x"),
        (b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n' * 20 + b"--b--\r\n", None),
        (b"--b\r\n" + b"H: v\r\n" * 50, None),
    ],
)
def test_a_body_that_is_none_is_told_and_leaves_nothing(
    service: Served, kept: list[str], body: bytes, param: str | None
) -> None:
    answer = _post(service, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_a_client_that_goes_away_leaves_nothing(service: Served, kept: list[str]) -> None:
    folder = service.service.contents.folder
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        head = "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode())
        connection.sendall(b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nxxxxxxxxxxxxxxxx')
        _until(lambda: any(name.startswith(".upload") for name in os.listdir(folder)))
    _until(lambda: not any(name.startswith(".upload") for name in os.listdir(folder)))


def test_a_full_disk_is_told_and_leaves_nothing(
    service: Served, kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("whet.server.files.content.os.fsync", full)
    with pytest.raises(openai.InternalServerError) as told:
        service.client().files.create(file=("f", b"x"), purpose="user_data")
    assert told.value.status_code == 507 and told.value.code == "disk_full"


def test_purposes_and_lives(service: Served) -> None:
    client = service.client()
    for purpose in ("fine-tune-results", "nonsense", "batch_output"):
        with pytest.raises(openai.BadRequestError) as told:
            client.files.create(file=("f", b"x"), purpose=purpose)  # type: ignore[arg-type]
        assert told.value.param == "purpose"

    for seconds in (3599, 2_592_001):
        with pytest.raises(openai.BadRequestError) as told:
            life: Any = {"anchor": "created_at", "seconds": seconds}
            client.files.create(file=("f", b"x"), purpose="user_data", expires_after=life)
        assert told.value.param == "expires_after[seconds]"
    with pytest.raises(openai.BadRequestError) as told:
        life = {"anchor": "last_used", "seconds": 3600}
        client.files.create(file=("f", b"x"), purpose="user_data", expires_after=life)
    assert told.value.param == "expires_after[anchor]"

    made = client.files.create(
        file=("f", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at is not None and abs(made.expires_at - made.created_at - 3600) <= 1


def test_a_file_whose_time_is_over_is_gone(service: Served) -> None:
    client, inner = service.client(), service.service
    made = client.files.create(file=("f", b"x"), purpose="user_data")
    with inner.database.write() as connection:
        connection.execute(update(files).where(files.c.id == made.id).values(expires_at=1.0))
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
    assert inner.contents.path(made.id).exists()
    tidy(inner.database, inner.contents, inner.settings.home)
    assert not inner.contents.path(made.id).exists()


def test_lists_page_by_cursor_in_both_orders_also_while_files_are_deleted(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        client = service.client()
        names = [client.files.create(file=(f"{n}", b"x"), purpose="user_data").id for n in range(5)]
        client.files.create(file=("other", b"x"), purpose="vision")

        assert [one.id for one in client.files.list(limit=2, order="asc", purpose="user_data")] == names
        page = client.files.list(limit=2, purpose="user_data")
        assert page.has_more and [one.id for one in page.data] == names[:2:-1]
        assert (page.to_dict()["first_id"], page.to_dict()["last_id"]) == (names[4], names[3])

        seen = []
        for one in client.files.list(limit=2, order="asc", purpose="user_data"):
            seen.append(one.id)
            assert client.files.delete(one.id).deleted
        assert seen == names
        assert [one.filename for one in client.files.list()] == ["other"]

        for after in ("file-none", "\0", "x' OR 1=1"):
            with pytest.raises(openai.BadRequestError) as told:
                client.files.list(after=after)
            assert told.value.param == "after"
        for limit in (0, 10_001):
            with pytest.raises(openai.BadRequestError):
                client.files.list(limit=limit)
        assert client.files.list(purpose="no'such\0thing").data == []


def test_what_is_deleted_is_gone(service: Served, kept: list[str]) -> None:
    client = service.client()
    made = client.files.create(file=("f", b"x"), purpose="user_data")
    assert client.files.delete(made.id).deleted
    for call in (client.files.retrieve, client.files.delete, client.files.content):
        with pytest.raises(openai.NotFoundError) as told:
            call(made.id)
        assert told.value.code == "file_not_found"


def test_projects_do_not_see_each_others_files(tmp_path: Path) -> None:
    with served(tmp_path, auth=True) as service:
        keys = [service.service.keys.create(name, name, ["train"])[1] for name in ("one", "two")]
        one, two = (service.client(key) for key in keys)
        made = one.files.create(file=("f", b"x"), purpose="user_data")
        assert two.files.list().data == [] and [file.id for file in one.files.list()] == [made.id]
        for call in (two.files.retrieve, two.files.delete, two.files.content):
            with pytest.raises(openai.NotFoundError):
                call(made.id)
        with pytest.raises(openai.BadRequestError):
            two.files.list(after=made.id)
        assert one.files.content(made.id).read() == b"x"


def test_what_killed_uploads_left_is_swept(tmp_path: Path) -> None:
    contents = Contents(tmp_path, 10)
    left = tmp_path / ".upload.0123abcd.tmp"
    left.write_bytes(b"half")
    old = time.time() - 100
    os.utime(left, (old, old))
    busy = contents.incoming()
    contents.sweep()
    assert not left.exists() and busy.path.exists()
    busy.drop()
    assert os.listdir(tmp_path) == []


def _post(service: Served, body: Any) -> httpx.Response:
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    return httpx.post(f"{service.url}/files", content=body, headers=kind)


def _until(true: Any) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_errors_have_the_clients_shape(service: Served) -> None:
    answer = httpx.get(f"{service.url}/files/none")
    assert answer.status_code == 404 and set(json.loads(answer.text)["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"].startswith("req_")
