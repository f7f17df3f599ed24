"""The files in deploy/ start what the command line has."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import typer.main
import yaml

from whet.cli.verb_list import whole_app

DEPLOY = Path(__file__).parents[2] / "deploy"


def parsed(words: list[str]) -> dict[str, Any]:
    """What `whet` would understand; raises for options that it does not have."""
    command = typer.main.get_command(whole_app())
    with click.Context(command) as context:
        return command.commands["serve"].make_context("serve", words, parent=context).params  # type: ignore[attr-defined]


def dockerfile() -> dict[str, list[str]]:
    """The words of ENTRYPOINT and CMD."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    return {name: yaml.safe_load(words) for name, words in re.findall(r"^(ENTRYPOINT|CMD) (\[.*\])$", text, re.M)}


def test_the_image_starts_the_service_for_all_addresses_with_keys() -> None:
    words = dockerfile()
    assert words["ENTRYPOINT"][:2] == ["whet", "serve"]
    given = parsed(words["ENTRYPOINT"][2:] + words["CMD"])
    assert given["host"] == "0.0.0.0" and given["no_auth"] is False and given["models"] == ["nano"]


def test_the_image_holds_what_the_package_is_built_from() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    for name in re.findall(r"^COPY (.*) \./?\w*$", text, re.M):
        for one in name.split():
            assert (DEPLOY.parent / one).exists(), one


def test_compose_waits_for_its_database_and_shows_its_password_to_nobody() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    whet = services["whet"]
    assert parsed(dockerfile()["ENTRYPOINT"][2:] + whet["command"])["models"] == ["nano"]
    assert whet["depends_on"]["database"]["condition"] == "service_healthy"
    assert "PASSWORD" not in " ".join(whet["command"])
    assert all(port.startswith("127.0.0.1:") for port in whet["ports"])
    assert whet["environment"]["WHET_DATABASE"].startswith("postgresql://whet:${POSTGRES_PASSWORD}@database/")


def test_the_unit_starts_the_service() -> None:
    text = (DEPLOY / "whet.service").read_text("utf-8")
    words = shlex.split(
        next(line for line in text.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart=")
    )
    assert words[:2] == ["/opt/whet/bin/whet", "serve"]
    assert parsed(words[2:])["home"] == Path("/var/lib/whet")


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
