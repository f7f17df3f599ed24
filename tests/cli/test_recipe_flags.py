"""The usual flags stand beside --set, and what other tools call otherwise is told its name here."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import FakeApi
from whet.cli.main import run
from whet.errors import ModelError, RecipeError
from whet.recipe import bases
from whet.recipe.bases import refuse_missing_base
from whet.verbs.inputs import recipe_of

Capture = pytest.CaptureFixture[str]


def said(capsys: Capture, *arguments: str) -> str:
    assert run(list(arguments)) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("verb", ["tune", "train"])
def test_flags_set_the_keys_of_the_recipe(verb: str, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    whole = getattr(api, verb)

    def watched(recipe: Any, **more: Any) -> Any:
        seen.append((recipe, more))
        return whole(recipe, **more)

    monkeypatch.setattr(api, verb, watched)
    flags = ["--base", "nano", "--method", "sft", "--epochs", "2", "--learning-rate", "1e-4", "--seed", "3"]
    assert run([verb, "tickets.jsonl", *flags, "--name", "mine", "--out", "elsewhere", "--set", "adapter.rank=8"]) == 0
    [(recipe, more)] = seen
    assert (recipe.base, recipe.method.kind, recipe.epochs, recipe.learning_rate) == ("nano", "sft", 2.0, 1e-4)
    assert recipe.seed == 3 and recipe.adapter.rank == 8 and recipe.steps is None
    assert more["name"] == "mine" and more["run_root"] == Path("elsewhere")


def test_a_wrong_value_of_a_flag_names_the_flag(capsys: Capture) -> None:
    assert "whet: --method: method must be of kind" in said(capsys, "tune", "tickets.jsonl", "--method", "dpoo")
    assert "did you mean 'dpo'?" in said(capsys, "tune", "tickets.jsonl", "--method", "dpoo")
    assert "whet: --epochs: epochs must be above 0" in said(capsys, "check", "tickets.jsonl", "--epochs", "0")


def test_a_key_that_is_said_twice_is_refused(capsys: Capture) -> None:
    message = said(capsys, "tune", "tickets.jsonl", "--epochs", "2", "--set", "epochs=3")
    assert "--epochs and --set epochs=3 say the same key" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "x"], "use --base"),
        (["--lr", "1e-4"], "use --learning-rate"),
        (["--num-train-epochs", "3"], "use --epochs"),
        (["--data", "x"], "data is named without an option: whet tune tickets.jsonl"),
        (["--output-dir", "x"], "the folder of runs is --out FOLDER"),
        (["--resume"], "give the same command again: a run that was stopped goes on"),
        (["--batch-size", "8"], "a batch is counted in tokens here"),
        (["--lora-r", "8"], "use --set adapter.rank=VALUE"),
        (["--rank", "8"], "use --set adapter.rank=VALUE"),
        (["--steps", "8"], "use --set steps=VALUE"),
        (["--gradient-checkpointing"], "use --set recompute=VALUE"),
        (["--force"], "whet runs rm RUN"),
        (["--nonsense"], "whet tune --help shows what there is"),
    ],
)
def test_an_option_of_another_tool_is_told_what_it_is_here(arguments: list[str], words: str, capsys: Capture) -> None:
    message = said(capsys, "tune", "tickets.jsonl", *arguments)
    assert "No such option" in message and words in message


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"lr": 1e-4}, "keyword lr: unknown key 'lr'\n  fix: here it is called learning_rate"),
        ({"resume": True}, "give the same command again"),
        ({"epochs": 0}, "keyword epochs: epochs must be above 0"),
        ({"per_device_train_batch_size": 8}, "counted in tokens"),
    ],
)
def test_a_wrong_keyword_is_told_the_same_in_python(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError) as raised:
        recipe_of("tickets.jsonl", keywords)
    assert words in str(raised.value) and "--set" not in str(raised.value)


def test_whet_alone_shows_its_verbs(capsys: Capture) -> None:
    assert run([]) == 0
    shown = capsys.readouterr()
    assert "tune" in shown.out and "whet demo" in shown.out and shown.err == ""


@pytest.mark.parametrize("asked", ["-V", "--version"])
def test_the_version_has_a_short_option(asked: str, capsys: Capture) -> None:
    assert run([asked]) == 0 and capsys.readouterr().out.startswith("whet ")


def test_quiet_leaves_the_result_alone(api: FakeApi, capsys: Capture) -> None:
    assert run(["tune", "tickets.jsonl", "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert run(["tune", "tickets.jsonl"]) == 0
    told = capsys.readouterr()
    assert quiet.err == "" and "training" in told.err, "only for the command that asks for it"
    assert quiet.out == told.out
    assert run(["--quiet", "tune", "nope.jsonl"]) == 2 and "no such file" in capsys.readouterr().err


ABSENT = [
    ["tune", "tickets.jsonl", "--base", "./nope"],
    ["check", "tickets.jsonl", "--base", "./nope"],
    ["show", "tickets.jsonl", "--base", "./nope"],
    ["plan", "tickets.jsonl", "--base", "./nope"],
    ["compare", "tickets.jsonl", "--base", "./nope"],
    ["chat", "./nope"],
    ["collect", "tickets.jsonl", "--teacher", "./nope", "--out", "o.jsonl"],
]
NO_NETWORK = [["tune", "tickets.jsonl", "--base", "some/base"], ["chat", "some/base"], ["tune", "some/set"]]


def test_what_is_not_there_is_refused_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    """And the Hub is asked once, with a bound: looked at are the calls, since a clock tells the load of a machine."""
    code = f"""if True:
        import socket, sys
        from whet.cli.main import run
        asked = []
        def absent(place, timeout=None):
            asked.append((place, timeout))
            raise OSError
        socket.create_connection = absent
        for arguments in {ABSENT!r}:
            assert run(arguments) == 2, arguments
        assert not asked, asked
        for arguments in {NO_NETWORK!r}:
            assert run(arguments) == 2, arguments
        assert asked == [(("hub.test", 443), 3.0)] * {len(NO_NETWORK)}, asked
        heavy = {{"torch", "transformers", "numpy", "datasets", "huggingface_hub"}} & set(sys.modules)
        assert not heavy, heavy
    """
    settings = {"HF_ENDPOINT": "https://hub.test", "HF_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    settings |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=settings)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("there is no such base folder") == len(ABSENT)
    assert done.stderr.count("Hugging Face Hub be reached") + done.stderr.count("cannot be reached") == len(NO_NETWORK)


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if this machine had a network, no proxy, and nothing of the Hub on its disk."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", *bases.PROXIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(bases, "REACHED_WITHIN", 0.3)


def test_a_hub_that_does_not_answer_is_given_up_soon(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: object, **__: object) -> Any:
        time.sleep(3)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", hangs)
    began = time.perf_counter()
    with pytest.raises(ModelError, match="neither on this disk nor could the Hugging Face Hub be reached"):
        refuse_missing_base("some/base")
    assert time.perf_counter() - began < 1.5
    with pytest.raises(ModelError, match="did you mean 'nano'"):
        refuse_missing_base("nanoo")


def test_a_hub_that_answers_or_a_base_that_was_fetched_is_not_refused(
    online: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        refuse_missing_base("some/base")
    (tmp_path / "hub/hub/models--some--base/snapshots/1").mkdir(parents=True)
    (tmp_path / "hub/hub/models--some--base/snapshots/1/config.json").write_text(json.dumps({}))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refuse_missing_base("some/base")
    with pytest.raises(ModelError):
        refuse_missing_base("other/base")
