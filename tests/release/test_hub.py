"""A release is pushed private, whole and proved, or it is not pushed; it stays on this disk whatever happens."""

from __future__ import annotations

import inspect
import json
import socket
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from typer.testing import CliRunner

import whet
from whet.cli.verb_list import whole_app
from whet.errors import InputError, ProofError, RunError
from whet.release.publishing.hub import Destination, pushed
from whet.store.run import Run

REAL = huggingface_hub.HfApi
"""What the calls must fit."""
TOKEN = "hf_a_secret_of_ours"


class Hub:
    """HfApi, as far as it is called. What is there before is `holds`; what is called is kept."""

    holds: list[str] | None = None
    private = True
    fails = ""

    def __init__(self, token: str | None = None) -> None:
        assert token == TOKEN
        self.calls.append(("opened", {}))

    calls: list[tuple[str, dict[str, Any]]] = []

    def repo_exists(self, repo_id: str) -> bool:
        return self.holds is not None

    def model_info(self, repo_id: str) -> Any:
        return SimpleNamespace(
            private=self.private, siblings=[SimpleNamespace(rfilename=name) for name in self.holds or []]
        )

    def create_repo(self, repo_id: str, *, private: bool) -> None:
        inspect.signature(REAL.create_repo).bind(self, repo_id, private=private)
        self.calls.append(("created", {"name": repo_id, "private": private}))

    def upload_folder(self, **told: Any) -> Any:
        inspect.signature(REAL.upload_folder).bind(self, **told)
        if self.fails:
            raise ConnectionError(self.fails)
        self.calls.append(("sent", told))
        return SimpleNamespace(repo_url="https://hub/owner/name")


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    """No test of this file may reach a network."""

    class Own(Hub):
        calls: list[tuple[str, dict[str, Any]]] = []

    def refuse(self: Any, place: Any) -> None:
        raise AssertionError(f"a network was called: {place}")

    monkeypatch.setattr(huggingface_hub, "HfApi", Own)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: TOKEN)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return Own


@pytest.fixture(scope="module")
def release(sound: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that lies there proved."""
    return Path(whet.export(sound, "adapter", out=tmp_path_factory.mktemp("hub") / "out")["folder"])


def test_a_push_is_private_and_whole(sound: Run, tmp_path: Path, hub: type[Hub]) -> None:
    told = whet.export(sound, "adapter", out=tmp_path / "out", push="owner/name")["pushed"]
    (_, created), (_, sent) = hub.calls[1:]
    assert created == {"name": "owner/name", "private": True}
    assert sent["repo_id"] == "owner/name" and sent["folder_path"] == tmp_path / "out"
    assert sent["ignore_patterns"] == [] and sent["delete_patterns"] == "*" and TOKEN not in str(told)
    assert told["url"] == "https://hub/owner/name" and told["visibility"] == "private"
    here = {file.name: file.stat().st_size for file in (tmp_path / "out").iterdir()}
    assert {one["name"]: one["bytes"] for one in told["files"]} == here and "golden.json" in here


def test_rows_are_left_out_of_what_all_read(release: Path, hub: type[Hub]) -> None:
    told = pushed(release, Destination("owner/name", public=True), force=False, dry_run=False)
    (_, created), (_, sent) = hub.calls[1:]
    assert created["private"] is False and sent["ignore_patterns"] == ["golden.json", "SHA256SUMS"]
    assert not {"golden.json", "SHA256SUMS"} & {one["name"] for one in told["files"]}


def test_a_dry_run_sends_nothing(sound: Run, tmp_path: Path, hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    command = ["export", str(sound.folder), "--to", "adapter", "--out", str(tmp_path / "out")]
    ran = CliRunner().invoke(whole_app(), [*command, "--push", "owner/name", "--dry-run", "--json"])
    assert ran.exit_code == 0 and hub.calls == [], ran.output
    told = json.loads(ran.stdout)["pushed"]
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert told["card"] == card and told["url"] is None and "Nothing was sent." in ran.stderr
    assert all(f"{one['bytes']:,}" in ran.stderr and one["name"] in ran.stderr for one in told["files"])
    assert "## Is it what was trained?" in ran.stderr and "owner/name on the Hub, private" in ran.stderr


@pytest.mark.parametrize(
    ("holds", "private", "public", "said"),
    [
        ([".gitattributes", "thesis.pdf"], True, False, "in the way"),
        (["release.json"], False, False, "it exists and is public, and private is asked for"),
        (["release.json"], True, True, "it exists and is private, and public is asked for"),
    ],
)
def test_a_place_that_is_not_ours_stays(
    release: Path, hub: type[Hub], holds: list[str], private: bool, public: bool, said: str
) -> None:
    hub.holds, hub.private = holds, private
    with pytest.raises(InputError, match=said):
        pushed(release, Destination("owner/name", public), force=False, dry_run=False)
    assert [name for name, _ in hub.calls] == ["opened"]


def test_an_earlier_release_is_replaced(release: Path, hub: type[Hub]) -> None:
    hub.holds = [".gitattributes", "release.json", "model.safetensors"]
    pushed(release, Destination("owner/name"), force=False, dry_run=False)
    assert [name for name, _ in hub.calls] == ["opened", "sent"]


def test_a_network_that_fails_leaves_the_release(sound: Run, tmp_path: Path, hub: type[Hub]) -> None:
    hub.fails = f"502 from https://hub?token={TOKEN}\nand much more"
    with pytest.raises(RunError, match="the Hub did not take the release: .*502") as error:
        whet.export(sound, "adapter", out=tmp_path / "out", push="owner/name")
    told = "".join(traceback.format_exception(error.value))
    assert TOKEN not in told and "much more" not in told and str(tmp_path / "out") in error.value.fix
    assert whet.prove(tmp_path / "out")["proved"]


@pytest.mark.parametrize("name", ["name", "owner/", "a/b/c", "owner/na me", "own..er/name", "", "owner/x.git", "-o/n"])
def test_names_that_the_hub_does_not_take(sound: Run, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="Hub|owner"):
        whet.export(sound, "adapter", out=tmp_path / "out", push=name)
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_told_before_anything_is_made(
    sound: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(InputError, match="no token"):
        whet.export(sound, "adapter", out=tmp_path / "out", push="owner/name")
    refused: list[dict[str, Any]] = [{"public": True}, {"dry_run": True}]
    for keys in refused:
        with pytest.raises(InputError, match="how a release is pushed"):
            whet.export(sound, "adapter", out=tmp_path / "out", **keys)
    assert not (tmp_path / "out").exists()


def test_what_is_not_proved_is_pushed_by_force_only(release: Path, hub: type[Hub]) -> None:
    path = release / "proof.json"
    sound = path.read_text("utf-8")
    path.write_text(json.dumps(json.loads(sound) | {"proved": False}), "utf-8")
    try:
        with pytest.raises(ProofError, match="its proof failed"):
            pushed(release, Destination("owner/name"), force=False, dry_run=False)
        assert hub.calls == []
        pushed(release, Destination("owner/name"), force=True, dry_run=False)
        assert [name for name, _ in hub.calls] == ["opened", "created", "sent"]
    finally:
        path.write_text(sound, "utf-8")
