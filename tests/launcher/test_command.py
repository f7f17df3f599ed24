"""`whet tune --at` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.launcher.conftest import write_rows
from tests.launcher_service import FineTuning
from whet.cli.main import run


def test_the_command_line_trains_elsewhere(
    service: FineTuning, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whet.launcher.following.FIRST_WAIT", 0.01)
    data, runs = str(write_rows(tmp_path, 60)), str(tmp_path / "runs")
    given = ["tune", data, "--at", service.url, "--at-model", "small", "--runs", runs, "--epochs", "2"]
    assert run([*given, "--set", "evaluate.against=[base]", "--json"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert result["elsewhere"]["tuned_model"] == "ft:small:tickets:ftjob-1" and "Where it" not in said.out
    assert f"Trained at {service.url}" in said.err and "loss on the references" in said.err
    assert service.bodies[0]["method"]["supervised"]["hyperparameters"]["n_epochs"] == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--prices", "p.yaml"], "add --at URL"),
        (["--cancel"], "add --at URL"),
        (["--at", "http://host/v1", "--until-kept"], "made of weights"),
        (["--at", "http://host/v1", "--epochs", "3", "--most-dollars", "3"], "add --prices FILE"),
        (["--at", "http://host/v1", "--prices", "p.yaml", "--most-dollars", "3"], "set epochs"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tune", str(write_rows(tmp_path, 10)), *options]) == 2
    assert said in capsys.readouterr().err
