"""Whatever is wrong with the input, a user meets one clear message and exit code 2, and nothing half-done is left."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import whet.api
import whet.training.session
from tests.verbs.malformed_cases import BESIDE, FILES, GOOD, NONE_USABLE, RECIPES, ROWS, SETS, answer, jsonl, user
from whet.cli import main
from whet.demo_data.support_desk import generate
from whet.model.base import NANO
from whet.store.lock import Lock
from whet.store.run import Run

SHORT = ("--set", "steps=2", "--set", "evaluate.forgetting=false")
Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Path("d.jsonl").write_bytes(jsonl(GOOD))
    return tmp_path


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that must be refused, with --json; gives the message, after checking its form."""

    def check(*arguments: str, words: str, code: int = 2) -> str:
        capfd.readouterr()
        assert main.run([*arguments, "--json"]) == code
        out, err = capfd.readouterr()
        message = err[err.index("whet: ") :]
        assert err.count("whet: ") == 1 and words in message, err
        assert "\n  fix: " in message and len(message) < 2500, err
        for noise in ("Traceback", "should not have happened", "Warning", "it/s"):
            assert noise not in err, err
        error = json.loads(out)["error"]
        assert error["exit_code"] == code and error["fix"] and error["what"] in message
        return message

    return check


@pytest.fixture
def refused_by_both(refused: Refused, capfd: pytest.CaptureFixture[str]) -> Refused:
    """`tune` refuses it, and `check` says the same of it, with the same exit code."""

    def check(*arguments: str, words: str, checked: str = "") -> str:
        """`checked`: the words of check, where they are others."""
        message = refused("tune", *arguments, words=words)
        assert main.run(["check", *arguments, "--json"]) == 2
        out, err = capfd.readouterr()
        result = json.loads(out)
        said = result["error"] if "error" in result else result["refused"]
        assert said["what"] and said["fix"], "check passes what tune refuses"
        assert (checked or words) in f"{said['where']}: {said['what']} {err}", err
        assert "should not have happened" not in err and "Traceback" not in err
        return message

    return check


def works(*arguments: str) -> None:
    assert main.run(list(arguments)) == 0


def runs() -> list[str]:
    return sorted(path.parent.name for path in Path("runs").glob("*/run.json"))


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_refused_and_leaves_nothing(name: str, refused_by_both: Refused) -> None:
    file, data, words = FILES[name]
    Path(file).write_bytes(data)
    refused_by_both(file, words=words)
    assert runs() == []


@pytest.mark.parametrize("verb", ["show", "init"])
@pytest.mark.parametrize("name", ["empty", "picture as jsonl", "wrong columns", "mixed", "key twice"])
def test_the_other_verbs_refuse_it_too(verb: str, name: str, refused: Refused) -> None:
    file, data, words = FILES[name]
    Path(file).write_bytes(data)
    refused(verb, file, words=words)
    assert not list(Path().glob("*.yaml"))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_cannot_be_used_is_counted_and_explained(name: str, refused_by_both: Refused) -> None:
    row, words = ROWS[name]
    good = [{"messages": [user(pair["prompt"]), answer(pair["completion"])]} for pair in GOOD]
    Path("a.jsonl").write_bytes(jsonl([*good, row, row]))
    message = refused_by_both("a.jsonl", words=words)
    assert "2 of 32 rows (6.2%)" in message and "set drop_budget: 0.07" in message
    assert runs() == []


def test_when_no_row_can_be_used_the_budget_is_no_way_out(refused_by_both: Refused) -> None:
    Path("a.jsonl").write_bytes(jsonl([{"messages": [user(f"a{n}"), answer("b", weight=0)]} for n in range(30)]))
    reason = "30 x nothing-to-learn, for example a.jsonl:1: "
    message = refused_by_both("a.jsonl", words="30 of 30 rows (100.0%)", checked=reason)
    assert "set drop_budget" not in message and reason in message
    words = "no row can be used; 30 of 30 rows were dropped"
    refused_by_both("a.jsonl", "--set", "drop_budget=1", words=words, checked=reason)


@pytest.mark.parametrize("name", NONE_USABLE)
def test_where_no_row_can_be_used_the_reason_is_told_with_a_row(name: str, refused_by_both: Refused) -> None:
    row, words = NONE_USABLE[name]
    Path("a.jsonl").write_bytes(jsonl([row(number) for number in range(30)]))
    refused_by_both("a.jsonl", words=f"30 x {words}")


@pytest.mark.parametrize("name", RECIPES)
def test_a_broken_recipe_is_refused(name: str, refused_by_both: Refused) -> None:
    text, words = RECIPES[name]
    for file, data in BESIDE.items():
        Path(file).write_bytes(data)
    Path("r.yaml").write_bytes(text)
    refused_by_both("r.yaml", words=words)
    assert runs() == []


@pytest.mark.parametrize("text", SETS)
def test_a_wrong_override_is_refused(text: str, refused_by_both: Refused) -> None:
    refused_by_both("d.jsonl", *SHORT, "--set", text, words=SETS[text])
    assert runs() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tune", "d.jsonl", "--nope"], "No such option"),
        (["tune", ""], "no data and no recipe is named"),
        (["tune", "dd.jsonl"], "there is no such file; did you mean 'd.jsonl'?"),
        (["tune", "a" * 5000 + ".jsonl"], "no file can have this name"),
        (["tune", os.fsdecode(b"caf\xe9.jsonl")], "is not UTF-8"),
        (["tune", "folder"], "no data files in this folder"),
        (["tune", "pipe.jsonl"], "not a file that can be read twice"),
        (["tune", "link.jsonl"], "this link leads nowhere"),
        (["tune", "no/such"], "the Hub gave no dataset of this name"),
        (["tune", "d.jsonl", "--runs", "d.jsonl"], "d.jsonl"),
        (["tune", "d.jsonl", "--name", "../x"], "can not be the name of a run"),
        (["tune", "d.jsonl", "--name", "taken", "--runs", "."], "this folder exists and is not a run"),
        (["runs", "list", "--runs", "d.jsonl"], "this is a file, not a folder of runs"),
        (["chat", "nope", "--prompt", "x"], "there is no run 'nope'"),
        (["chat", "", "--prompt", "x"], "the name of the run is empty"),
        (["chat", "a" * 3000, "--prompt", "x"], "file name too long"),
        (["chat", "nano", "--prompt", "word " * 3000], "there is no room for an answer"),
        (["chat", "nano", "--prompt", "a <|end|> b"], "the text contains '<|end|>'"),
        (["eval", "nope"], "there is no run 'nope'"),
        (["show", "d.jsonl", "--rows", "0"], "--rows"),
        (["models", "promote", "x", "1"], "there is no model 'x'"),
    ],
)
def test_a_wrong_command_is_refused(arguments: list[str], words: str, refused: Refused) -> None:
    Path("folder").mkdir()
    Path("taken").mkdir()
    Path("taken/file").write_text("mine")
    Path("link.jsonl").symlink_to("nowhere")
    os.mkfifo("pipe.jsonl")
    Path(os.fsdecode(b"caf\xe9.jsonl")).write_bytes(jsonl(GOOD))
    refused(*arguments, words=words)


@pytest.mark.parametrize(
    ("files", "change", "words"),
    [
        (["tokenizer.json", "tokenizer_config.json"], {}, "config.json is missing"),
        (["config.json", "tokenizer.json", "tokenizer_config.json"], {}, "there are no safetensors weights"),
        (["config.json", "tokenizer.json", "tokenizer_config.json"], {"pytorch_model.bin": "x"}, "a pickle"),
        (["config.json", "model.safetensors"], {}, "its tokenizer is missing"),
        (["config.json", "model.safetensors", "tokenizer_config.json"], {"tokenizer.json": "{}"}, "files is damaged"),
        (["model.safetensors", "tokenizer.json", "tokenizer_config.json"], {"config.json": "{"}, "not a valid JSON"),
        (["config.json", "tokenizer.json", "tokenizer_config.json"], {"model.safetensors": ""}, "weights are damaged"),
    ],
)
def test_a_folder_that_is_no_base_is_refused(
    files: list[str], change: dict[str, str], words: str, refused_by_both: Refused
) -> None:
    Path("base").mkdir()
    for name in files:
        shutil.copy(NANO / name, f"base/{name}")
    for name, text in change.items():
        Path("base", name).write_text(text)
    refused_by_both("d.jsonl", "--set", "base=./base", words=words)
    assert runs() == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("num_hidden_layers", 10**9, "num_hidden_layers is between 1 and 10,000"),
        ("num_hidden_layers", -1, "num_hidden_layers is between 1 and 10,000"),
        ("num_attention_heads", 0, "num_attention_heads is between 1 and"),
        ("num_key_value_heads", 0, "num_key_value_heads is between 1 and"),
        ("num_hidden_layers", 1, "leaves out"),
        ("num_hidden_layers", 7, "tensors of the model are not in its weights"),
        ("intermediate_size", 190, "its weights have other shapes"),
        ("max_position_embeddings", 10**15, "max_position_embeddings is between 0 and"),
        ("max_position_embeddings", -5, "max_position_embeddings is between 0 and"),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}, "GPTQ"),
        ("hidden_size", 10**12, "hidden_size is between 1 and"),
        ("vocab_size", 500, "the embedding has 500 rows"),
        ("vocab_size", 5000, "its weights have other shapes"),
        ("vocab_size", 10**12, "vocab_size is between 1 and"),
        ("vocab_size", "many", "vocab_size"),
        ("model_type", "nonsense", "nonsense"),
    ],
)
def test_a_config_that_cannot_be_right_is_refused(key: str, value: Any, words: str, refused_by_both: Refused) -> None:
    shutil.copytree(NANO, "base")
    config = json.loads(Path("base/config.json").read_text())
    Path("base/config.json").write_text(json.dumps(config | {key: value}))
    refused_by_both("d.jsonl", "--set", "base=./base", words=words)


def with_token(kind: str, content: str) -> None:
    """./base: the bundled base, whose tokenizer knows a token more than its embedding has rows."""
    shutil.copytree(NANO, "base")
    tokenizer = json.loads(Path("base/tokenizer.json").read_text())
    last = max(tokenizer["model"]["vocab"].values())
    if kind == "vocabulary":
        tokenizer["model"]["vocab"][content] = last + 1
    else:
        tokenizer["added_tokens"].append({**tokenizer["added_tokens"][-1], "id": last + 1, "content": content})
        tokenizer["added_tokens"][-1]["special"] = False
    Path("base/tokenizer.json").write_text(json.dumps(tokenizer))


def test_a_tokenizer_with_more_tokens_than_the_embedding_has_rows_is_refused(refused_by_both: Refused) -> None:
    with_token("vocabulary", "zebra")
    refused_by_both("d.jsonl", "--set", "base=./base", words="its tokenizer is not the one of its weights")


def test_an_added_token_without_a_row_is_refused_where_a_row_of_the_data_holds_it(refused_by_both: Refused) -> None:
    with_token("added", "|zebra|")
    Path("e.jsonl").write_bytes(jsonl([*GOOD, {"prompt": "what is a |zebra| then?", "completion": "an animal"}]))
    refused_by_both(
        "e.jsonl", "--set", "base=./base", words="e.jsonl:31: this row holds a token of the base's tokenizer"
    )
    assert main.run(["check", "d.jsonl", "--set", "base=./base"]) == 0, "no other row needs it"


def test_odd_but_sound_files_work(capfd: pytest.CaptureFixture[str]) -> None:
    Path("crlf.jsonl").write_bytes(b"\xef\xbb\xbf" + jsonl(GOOD).replace(b"\n", b"\r\n"))
    lines = "".join(f"{row['prompt']!r},answer {number}\r\n".replace("'", '"') for number, row in enumerate(GOOD))
    Path("crlf.csv").write_bytes(b"\xef\xbb\xbfprompt,completion\r\n" + lines.encode())
    Path("folder").mkdir()
    Path("folder/a.jsonl").write_bytes(jsonl(GOOD[:15]))
    Path("folder/b.jsonl").write_bytes(jsonl(GOOD[15:]))
    ends_in_user = [{"messages": [user(row["prompt"]), answer(row["completion"]), user("and?")]} for row in GOOD]
    asked = [{"messages": [user(row["prompt"]), answer(row["completion"])]} for row in generate(30, 1)]
    Path("user.jsonl").write_bytes(jsonl([*ends_in_user, *asked]))
    for name, rows in (("crlf.jsonl", 30), ("crlf.csv", 30), ("folder", 30), ("user.jsonl", 60)):
        works("show", name, "--json")
        ledger = json.loads(capfd.readouterr().out)["ledger"]
        assert ledger["rows_in"] == rows and not ledger["dropped"]


@pytest.mark.parametrize("rows", [1, 2])
def test_the_way_out_of_too_few_rows_is_one(rows: int, refused: Refused, capfd: pytest.CaptureFixture[str]) -> None:
    Path("tiny.jsonl").write_bytes(jsonl(GOOD[:rows]))
    none = ["--set", "split={validation: 0, test: 0}"]
    message = refused("tune", "tiny.jsonl", words=f"too few rows: {rows}")
    way = "bring at least 3 rows; or, to learn from all of these without a verdict: whet train with --set"
    assert way in message
    assert "set split.test" not in refused("tune", "tiny.jsonl", *none, words="or train without a verdict: whet train")
    works("train", "tiny.jsonl", "--set", "steps=1", *none)
    capfd.readouterr()


@pytest.mark.parametrize("rows", [3, 12])
def test_a_tiny_set_works_and_says_that_it_decides_nothing(rows: int, capfd: pytest.CaptureFixture[str]) -> None:
    Path("tiny.jsonl").write_bytes(jsonl(GOOD[:rows]))
    works("tune", "tiny.jsonl", *SHORT, "--json")
    out, err = capfd.readouterr()
    assert json.loads(out)["verdict"]["word"] in ("undecided", "no-difference") and "can hardly decide anything" in err


def test_without_validation_rows_the_last_weights_are_kept(capfd: pytest.CaptureFixture[str]) -> None:
    works("train", "d.jsonl", "--set", "steps=2", "--set", "split={validation: 0, test: 0}", "--json")
    out, err = capfd.readouterr()
    result = json.loads(out)
    assert result["ledger"]["trained"] == 30 and result["stopped"]["best_step"] == 2
    assert "the last weights are kept" in err


def test_training_rows_that_leak_into_the_test_file_are_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    Path("other.jsonl").write_bytes(jsonl(GOOD[:5] + generate(5, 77)))
    works("show", "d.jsonl", "--set", "test=other.jsonl", "--json")
    ledger = json.loads(capfd.readouterr().out)["ledger"]
    assert ledger["dropped"] == {"duplicate-of-test": 5} and ledger["held_out"]["test"] == 10


@pytest.mark.parametrize("more", [[], ["--set", "split.validation=0"]])
def test_a_rate_that_breaks_the_weights_is_stopped(more: list[str], refused: Refused) -> None:
    command = ["tune", "d.jsonl", "--set", "steps=2", "--set", "learning_rate=1e30", "--set", "adapter=full", *more]
    refused(*command, words="not finite", code=1)
    [name] = runs()
    assert not (Path("runs") / name / "model").exists()
    assert json.loads((Path("runs") / name / "status.json").read_text())["status"] == "failed"


def test_weights_that_the_last_step_broke_make_no_model(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whet.training.session, "mean_loss", lambda policy, loss, batches: float("nan"))
    refused("train", "d.jsonl", "--set", "steps=1", "--set", "split.validation=0", words="not finite", code=1)
    assert not (Path("runs") / runs()[0] / "model").exists()


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (main.Terminated(), 143)])
def test_a_run_that_is_stopped_says_so_and_resumes(
    stop: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise stop

    with monkeypatch.context() as patch:
        patch.setattr("whet.methods.base.measure_rows", interrupted)
        assert main.run(["tune", "d.jsonl", *SHORT, "--json"]) == code
    out, err = capfd.readouterr()
    assert json.loads(out)["error"]["exit_code"] == code and "the same command resumes" in err
    [name] = runs()
    assert json.loads((Path("runs") / name / "status.json").read_text())["status"] == "stopped"
    works("tune", "d.jsonl", *SHORT)
    assert "trained already" in capfd.readouterr().err


def test_a_full_disk_leaves_nothing_half_written_and_resumes(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    sync = os.fsync
    left = 12

    def full(handle: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        refused("tune", "d.jsonl", *SHORT, words="the disk is full")
    assert not [path for path in Path("runs").rglob("*") if path.name.endswith(".tmp")]
    for path in Path("runs").rglob("*.json"):
        json.loads(path.read_text())
    works("tune", "d.jsonl", *SHORT)
    capfd.readouterr()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs after one tune of d.jsonl."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "d.jsonl").write_bytes(jsonl(GOOD))
    assert main.run(["tune", str(folder / "d.jsonl"), *SHORT, "--runs", str(folder / "runs")]) == 0
    return folder / "runs"


@pytest.fixture
def run(finished: Path, here: Path) -> Iterator[Path]:
    """That run, copied into ./runs, with its training done and its evaluation gone."""
    shutil.copytree(finished, "runs")
    [folder] = [path.parent for path in Path("runs").glob("*/run.json")]
    (folder / "evaluation.json").unlink()
    yield folder


DAMAGE: list[tuple[str, bytes, str]] = [
    ("run.json", b'{"name": ', "run.json: this file is damaged"),
    ("run.json", b"[]", "run.json: this file is damaged"),
    ("status.json", b"[]", "status.json: this file is damaged"),
    ("recipe.resolved.yaml", b"\xff\xfe", "recipe.resolved.yaml: this file is damaged"),
    ("selfcheck.json", b"{}", "selfcheck.json: this file is damaged"),
    ("training.json", b"{", "training.json: this file is damaged"),
    ("choices.json", b'[{"key": "steps"', "choices.json: this file is damaged"),
    ("choices.json", b'[{"kez": "steps", "value": 2}]', "choices.json: this file is damaged"),
    ("leaks.json", b"x", "leaks.json: this file is damaged"),
    ("metrics.jsonl", b"x\n{}\n", "metrics.jsonl: this file is damaged"),
    ("rows.jsonl", b"x\n", "rows.jsonl: this file is damaged"),
    ("rows.jsonl", b"{}\n", "rows.jsonl: this file is damaged"),
    ("model/whet.json", b"{}", "whet.json: this file is damaged"),
    ("model/adapter_model.safetensors", b"x", "damaged or not the one that the training left"),
]


@pytest.mark.parametrize(("name", "data", "words"), DAMAGE)
def test_a_damaged_run_is_refused(name: str, data: bytes, words: str, run: Path, refused: Refused) -> None:
    (run / name).write_bytes(data)
    refused("tune", "d.jsonl", *SHORT, words=words)
    assert run.exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("last/state.safetensors", b"x"),
        ("last/progress.json", b"{}"),
        ("last/progress.json", b'{"step": -1, "validations": []}'),
        ("last/progress.json", b'{"step": 600, "validations": []}'),
    ],
)
def test_a_damaged_checkpoint_is_refused(name: str, data: bytes, run: Path, refused: Refused) -> None:
    shutil.rmtree(run / "model")
    (run / "checkpoints" / name).write_bytes(data)
    refused("tune", "d.jsonl", *SHORT, words="checkpoint")
    assert not (run / "model").exists()


def test_edited_data_makes_another_run_and_is_never_evaluated_in_the_old_one(run: Path, refused: Refused) -> None:
    Path("d.jsonl").write_bytes(jsonl([*GOOD[:20], *generate(10, 4)]))
    point_here(run)
    refused("eval", run.name, words="not the data that this run was trained on")
    works("tune", "d.jsonl", *SHORT)
    assert len(runs()) == 2


def point_here(run: Path) -> None:
    """Point the copied run at ./d.jsonl, as if it had been made here."""
    for name in ("recipe.yaml", "recipe.resolved.yaml"):
        text = (run / name).read_text().splitlines()
        (run / name).write_text("\n".join(["data: d.jsonl", *text[1:]]) + "\n")
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"working_folder": os.getcwd()}))


def test_an_edited_seed_does_not_turn_learned_rows_into_test_rows(run: Path, refused: Refused) -> None:
    path = run / "recipe.resolved.yaml"
    edited = path.read_text().replace("seed: 0", "seed: 1")
    Run(run).write_text(path.name, edited)  # as another version of Whet might
    refused("eval", run.name, words="the rows are held out otherwise")
    path.write_text(edited.replace("seed: 1", "seed: 2"))
    refused("eval", run.name, words="recipe.resolved.yaml: this file is damaged")


def test_one_flipped_bit_in_any_file_that_a_resume_reads_is_refused(run: Path, refused: Refused) -> None:
    read = [path for path in sorted(run.iterdir()) if path.suffix in (".json", ".yaml")]
    read += [path for path in (run / "model").iterdir() if path.name != "README.md"]
    assert {"run.json", "selfcheck.json", "training.json", "adapter_config.json", "tokenizer.json"} <= {
        path.name for path in read
    }
    for path in read:
        data = path.read_bytes()
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        refused("tune", "d.jsonl", *SHORT, words="fix: ")
        path.write_bytes(data)
    works("tune", "d.jsonl", *SHORT)


def test_moved_data_is_found_again_and_another_format_is_other_data(run: Path, refused: Refused) -> None:
    Path("moved").mkdir()
    shutil.move("d.jsonl", "moved/d.jsonl")
    works("tune", "moved/d.jsonl", *SHORT)
    assert runs() == [run.name]
    works("eval", run.name)
    shutil.copy("moved/d.jsonl", "d.csv")
    refused("tune", "d.csv", *SHORT, words="d.csv:2: 5 fields where the header has 7")
    assert runs() == [run.name]


def test_a_run_that_another_process_writes_is_left_alone(run: Path, refused: Refused) -> None:
    before = (run / "status.json").read_text()
    with Lock(run / "run.lock", "another process"):
        refused("tune", "d.jsonl", *SHORT, words="is being written by another process")
    assert (run / "status.json").read_text() == before


def test_a_run_killed_while_it_was_made_is_taken_up(capfd: pytest.CaptureFixture[str]) -> None:
    works("train", "d.jsonl", "--set", "steps=1", "--name", "mine")
    for path in Path("runs/mine").iterdir():
        if path.name != "run.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    works("train", "d.jsonl", "--set", "steps=1", "--name", "mine")
    capfd.readouterr()
    assert runs() == ["mine"]
    assert json.loads(Path("runs/mine/status.json").read_text())["status"] == "done"
    assert (Path("runs/mine/model") / "whet.json").exists()


def test_not_enough_memory_is_said_in_words(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 768000000000 bytes")

    monkeypatch.setattr("whet.verbs.steps.stages.train", greedy)
    refused("tune", "d.jsonl", *SHORT, words="not enough memory")


@pytest.mark.parametrize("name", ["choices.json", "leaks.json"])
def test_damage_is_found_before_the_training_goes_on(name: str, run: Path, refused: Refused) -> None:
    shutil.rmtree(run / "model")
    (run / name).write_bytes(b"{")
    refused("tune", "d.jsonl", *SHORT, words=f"{name}: this file is damaged")
    assert not (run / "model").exists(), "nothing was trained"


LIMITED = """
import resource, sys
from whet.cli import main
{before}
sys.exit(main.run(["tune", "d.jsonl", "--set", "steps=2", "--set", "evaluate.forgetting=false", "--json"]))
"""


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))", "a file would become larger than this shell"),
        ("resource.setrlimit(resource.RLIMIT_AS, (300_000_000, 300_000_000))", "ulimit -v unlimited"),
    ],
)
def test_a_limit_of_the_shell_is_one_sentence(before: str, words: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(whet.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    code = LIMITED.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=100)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert "should not have happened" not in done.stderr and done.stderr.count("whet: ") == 1
    assert json.loads(done.stdout)["error"]["exit_code"] == 2
    assert not list(Path().rglob(".*.tmp"))


def test_a_real_process_writes_nothing_but_its_own_words() -> None:
    """Libraries print when they are first imported and at the end of the process, which a test inside cannot see."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii"}
    environment["PYTHONPATH"] = str(Path(whet.__file__).parents[1])
    command = [sys.executable, "-m", "whet", "tune", "d.jsonl", *SHORT, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and json.loads(done.stdout)["run"] == runs()[0]
    work, _, result = done.stderr.partition("Chosen for you")
    lines = work.splitlines()
    begun = (re.fullmatch(r"([a-z][\w ,()'-]*?)(?: \.\.\.|: [\d,]+ steps)", line) for line in lines)
    own = tuple(f"  {phase[1]}" for phase in begun if phase)
    assert {"  reading the data", "  training", "  writing the report"} <= set(own)
    own += ("  self-check: ", "  step ", "  registered", "  3 test rows")
    assert [line for line in lines if not f"  {line}".startswith(own) and not line.startswith(own)] == []
    assert result.rstrip().splitlines()[-1].startswith("Run: runs")
