"""Who is let in, and what no page elsewhere can do."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server.serving import in_a_thread
from tests.web.studio import Studio, studio
from whet.server.application import create_app
from whet.server.settings import Settings
from whet.web.sessions import COOKIE, SECRET_FILE, Sessions
from whet.web.signing_in import own_path
from whet.web.studio import add_studio


def client(studio: Studio, entry: bool = True) -> httpx2.Client:
    opened = httpx2.Client(base_url=studio.url, follow_redirects=False)
    if entry:
        assert opened.get("/login", params={"entry": studio.sessions.entry}).status_code == 303
    return opened


def token_of(opened: httpx2.Client) -> str:
    """As a page's own script has it."""
    page = opened.get("/").text
    return page.partition('"X-CSRF-Token": "')[2].partition('"')[0]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """As `whet serve` with its studio: keys are asked for, and the API is there."""
    app = create_app(Settings(tmp_path_factory.mktemp("service"), workers=0))
    sessions = add_studio(app)
    with in_a_thread(app) as port:
        yield Studio(app.state.service, sessions, port)


def test_nobody_is_let_in_without_a_session(looked_at: Studio) -> None:
    stranger = client(looked_at, entry=False)
    answer = stranger.get("/", params={"x": "1"})
    assert answer.status_code == 303 and answer.headers["location"] == "/login?next=%2F%3Fx%3D1"
    assert stranger.get("/login", params={"entry": "wrong"}).status_code == 200
    assert stranger.get("/home/live").status_code == 303
    assert stranger.post("/logout").status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "x.y", "e30.0000", ".", "é.é", "W10.ab" * 999])
def test_a_cookie_that_nobody_gave_opens_nothing(looked_at: Studio, cookie: str) -> None:
    stranger = client(looked_at, entry=False)
    answer = stranger.get("/", headers={"cookie": f"{COOKIE}={cookie}".encode()})
    assert answer.status_code == 303


def test_a_cookie_is_of_its_home_alone(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other, again = (Sessions(tmp_path / name) for name in ("one", "other", "one"))
    session, cookie = one.begin("key_1")
    assert one.read(cookie) == again.read(cookie) == session
    assert other.read(cookie) is None
    assert one.entry != again.entry
    assert stat.S_IMODE((tmp_path / "one" / SECRET_FILE).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "one").iterdir()] == [SECRET_FILE]


def test_the_cookie_is_closed_to_scripts_and_other_sites(looked_at: Studio) -> None:
    given = httpx2.get(looked_at.entry).headers["set-cookie"]
    assert "HttpOnly" in given and "SameSite=Lax" in given


def test_what_changes_something_needs_the_token_of_its_page(looked_at: Studio) -> None:
    opened = client(looked_at)
    other = client(looked_at)
    assert opened.post("/logout").status_code == 403
    assert opened.post("/logout", headers={"x-csrf-token": token_of(other)}).status_code == 403
    assert opened.post("/logout", headers={"x-csrf-token": token_of(opened)}).status_code == 204
    assert opened.get("/").status_code == 303


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_pages_of_other_addresses_change_nothing(looked_at: Studio, headers: dict[str, str]) -> None:
    opened = client(looked_at)
    sent = {"x-csrf-token": token_of(opened)} | headers
    assert opened.post("/logout", headers=sent).status_code == 403


def test_another_name_of_this_machine_is_refused(looked_at: Studio) -> None:
    """DNS rebinding: a page elsewhere whose name leads here."""
    opened = client(looked_at)
    assert opened.get("/", headers={"host": f"evil.example:{looked_at.port}"}).status_code == 421


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "x"])
def test_one_comes_back_to_the_studio_alone(next: str) -> None:
    assert own_path(next) == "/"


def test_where_one_wanted_to_go_is_found_again() -> None:
    assert own_path("/runs/a?row=3#x") == "/runs/a?row=3#x"


def test_a_cookie_opens_pages_and_never_the_api(service: Studio) -> None:
    opened = client(service)
    assert opened.get("/").status_code == 200
    assert opened.get("/v1/models").status_code == 401
    assert opened.get("/openapi.json").status_code == 200


def test_one_signs_in_with_a_key_until_it_is_revoked(service: Studio) -> None:
    key, secret = service.service.keys.create("ann", "default", ["infer"])
    opened = client(service, entry=False)
    assert opened.post("/login", data={"key": "wk-wrong"}).status_code == 401
    answer = opened.post("/login", data={"key": secret, "next": "/?a=1"})
    assert answer.status_code == 303 and answer.headers["location"] == "/?a=1"
    assert secret not in answer.headers["set-cookie"]
    assert opened.get("/").status_code == 200
    service.service.keys.revoke(key.id)
    assert opened.get("/").status_code == 303


def test_every_page_says_what_a_browser_may_load(looked_at: Studio) -> None:
    answer = client(looked_at).get("/")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_of_the_studio_is_kept_for_ever_and_others_are_none(looked_at: Studio) -> None:
    stranger = client(looked_at, entry=False)
    page = stranger.get("/login").text
    sheet = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = stranger.get(sheet)
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    for name in ("..%2fstudio.py", "%2e%2e/studio.py", "nothing.js", "/etc/passwd"):
        assert stranger.get(f"/static/x/{name}").status_code in (401, 404)


def test_without_keys_this_machine_alone_is_let_in(tmp_path: Path, browser: Any) -> None:
    with studio(tmp_path, auth=False) as opened:
        page = browser.new_page()
        page.goto(opened.url)
        assert page.title() == "Home · Whet"
        token = json.loads(page.locator("body").get_attribute("data-hx-headers:inherited"))["X-CSRF-Token"]
        asked = page.request.post(f"{opened.url}/logout", headers={"x-csrf-token": token})
        assert asked.status == 204
        page.context.close()
