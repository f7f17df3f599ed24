"""`choose` where the right answer is known: by what bases can, by what a server costs, by labels that say nothing."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.chat_server import Server, said, serving
from tests.evaluation.opponents.made_up_messages import messages, write
from tests.measured_machine import measured_before
from whet import api
from whet.cli.main import run as command
from whet.errors import InputError, WhetError
from whet.model.base import NANO, load_tokenizer
from whet.store.reading import read_lines

FEW, MANY = 1000, 10_000_000
"""Answers a month, at which a server costs less than a machine, and more."""
SHORT: dict[str, Any] = {
    "evaluate.forgetting": False,
    "evaluate.max_new_tokens": 4,
    "evaluate.against": "[base]",
    "split.test": 24,
    "split.validation": 24,
    "dtype": "float32",
    "evaluate.every": 8,
    "keep": False,
    "method": "sft",
}


@pytest.fixture(scope="module", autouse=True)
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        measured_before(tmp_path_factory.mktemp("cache"), patch)
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    yield from serving()


NOUNS = "dryer guitar law knife mirror rice cloud station wolf window bicycle pillow boot shovel salad brush".split()


def changed(folder: Path, change: Callable[[dict[str, torch.Tensor], dict[str, Any]], None]) -> str:
    """A copy of nano with other weights."""
    shutil.copytree(NANO, folder)
    weights, config = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    change(weights, config)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def blinded(weights: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """All tokens look alike, so that it can learn nothing."""
    embedding = weights["model.embed_tokens.weight"]
    alike = embedding.float().mean(0, keepdim=True).expand_as(embedding)
    weights["model.embed_tokens.weight"] = alike.to(embedding.dtype).contiguous()


def enlarged(weights: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """Two more layers that change nothing: it answers as nano does, and takes more."""
    for name in [name for name in weights if name.startswith("model.layers.5.")]:
        for layer in (6, 7):
            silent = name.endswith(("o_proj.weight", "down_proj.weight"))
            copied = weights[name]
            weights[name.replace(".5.", f".{layer}.")] = torch.zeros_like(copied) if silent else copied.clone()
    config["num_hidden_layers"] = 8


def right_answers(server: Server, rows: list[dict[str, Any]]) -> None:
    """The server knows every answer, and counts ten tokens of a prompt and one of an answer."""
    known = {row["prompt"]: row["completion"] for row in rows}
    usage = {"prompt_tokens": 10, "completion_tokens": 1}

    def reply(number: int) -> tuple[int, Any]:
        question = server.asked[number][2]["messages"][-1]["content"]
        answer = next((answer for prompt, answer in known.items() if prompt in question), "?")
        return 200, said(answer) | {"usage": usage}

    server.reply = reply


@pytest.fixture(scope="module")
def reads() -> Iterator[list[tuple[bool, list[int]]]]:
    """What any model read: whether it was the blinded one, and the tokens."""
    seen: list[tuple[bool, list[int]]] = []
    looked_up = torch.nn.functional.embedding

    def spied(ids: torch.Tensor, weight: torch.Tensor, *more: Any, **other: Any) -> torch.Tensor:
        if weight.shape[0] == 4096:  # the vocabulary of nano
            seen.append((bool((weight[5] == weight[6]).all()), ids.reshape(-1).tolist()))
        return looked_up(ids, weight, *more, **other)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "embedding", spied)
        yield seen


class Spam(NamedTuple):
    """nano learns it, the blinded one does not, and a server knows it."""

    folder: Path
    data: str
    bases: list[str]
    small: dict[str, Any]
    """What is chosen for few answers a month."""
    large: dict[str, Any]
    """And for many."""
    asked_large: int
    """Requests to the server for the second, which is chosen before the first."""
    read_large: int
    """Passes through a model for the second."""


@pytest.fixture(scope="module")
def spam(tmp_path_factory: pytest.TempPathFactory, server: Server, reads: list[tuple[bool, list[int]]]) -> Spam:
    folder = tmp_path_factory.mktemp("spam")
    rows = messages(120, spam=0.5)
    data = str(write(folder / "spam.jsonl", rows))
    right_answers(server, rows)
    bases = ["nano", changed(folder / "blinded", blinded), f"{server.url}#big@1/2"]
    large, asked, read = choose(folder, data, bases, answers_per_month=MANY), len(server.asked), len(reads)
    return Spam(folder, data, bases, choose(folder, data, bases, answers_per_month=FEW), large, asked, read)


def choose(folder: Path, data: str, bases: Any, **given: Any) -> dict[str, Any]:
    given = SHORT | {"price_per_hour": 0.01, "hours": 1.0, "steps": 16} | given
    return api.choose(data, bases, run_root=folder / "runs", **given)


def questions(folder: Path, part: str) -> list[str]:
    """Of the rows of a part, as the split of any run has it."""
    lines = [json.loads(line) for line in (folder / "spam.jsonl").read_text("utf-8").splitlines()]
    run = next((folder / "runs").glob("*/rows.jsonl"))
    return [lines[line["row"]]["prompt"] for line in read_lines(run) if line["fate"] == part]


def test_a_server_as_it_is_wins_at_a_small_volume(spam: Spam) -> None:
    found, chosen = spam.small, spam.small["chosen"]
    assert (chosen["base"], chosen["way"], chosen["run"]) == (spam.bases[2], "api", None)
    assert found["worth_it"] and "do not tune" in found["reason"] and found["verdict"]["score"] == 1.0
    nano, _, server = found["candidates"]
    assert server["cost"]["usd_per_1000"] == pytest.approx(1000 * (10 * 1 + 1 * 2) / 1e6)
    assert nano["cost"]["usd_per_1000"] == pytest.approx(1000 * 730 * 0.01 / FEW)


def test_a_tuned_base_wins_at_a_large_volume(spam: Spam) -> None:
    found, chosen = spam.large, spam.large["chosen"]
    assert (chosen["base"], chosen["way"]) == ("nano", "tuned") and found["worth_it"]
    evaluation = json.loads((spam.folder / "runs" / chosen["run"] / "evaluation.json").read_text())
    assert evaluation["verdict"]["word"] == found["verdict"]["word"] == "better"
    last = found["candidates"][0]["rungs"][-1]
    assert last["run"] == chosen["run"] and last["share"] == 1
    assert found["selection_gain"] == pytest.approx(last["score"] - evaluation["tuned"]["score"])
    whole = api.tune(spam.data, run_root=spam.folder / "runs", **SHORT, steps=16)
    assert whole["run"] == chosen["run"], "it is the run that whet tune makes"


def test_the_base_that_cannot_learn_leaves_by_measurement(spam: Spam) -> None:
    nano, blind, server = spam.small["candidates"]
    assert [rung["share"] for rung in nano["rungs"]] == [0.5, 1.0] and not nano["out"]
    assert [rung["share"] for rung in blind["rungs"]] == [0.5] and blind["out"] and "worse than nano" in blind["why"]
    assert nano["rungs"][1]["score"] > 0.9 and nano["licence"].startswith("Apache-2.0") and nano["context"] == 1024
    assert nano["tokens_per_row"] == blind["tokens_per_row"] > 10 and nano["cost"]["memory"] > 0
    assert blind["licence"] == server["licence"] == "unknown" and server["rungs"] == []


def test_only_the_chosen_one_is_asked_a_test_row(
    spam: Spam, server: Server, reads: list[tuple[bool, list[int]]]
) -> None:
    tests, other = questions(spam.folder, "test"), questions(spam.folder, "validation")
    bodies = [json.dumps(body["messages"]) for _, _, body in server.asked]
    while_nano, while_server = bodies[: spam.asked_large], bodies[spam.asked_large :]
    assert all(any(told(row) in body for body in while_nano) for row in other), "it was asked validation rows"
    assert not [row for row in tests if any(told(row) in body for body in while_nano)], "nano was chosen"
    assert all(any(told(row) in body for body in while_server) for row in tests), "the server was chosen"

    tokenizer = load_tokenizer("nano")
    read = {"blinded": "", "nano": "", "later": ""}
    for number, (is_blind, ids) in enumerate(reads):
        who = "blinded" if is_blind else "nano" if number < spam.read_large else "later"
        read[who] += " " + " ".join(map(str, ids)) + " "

    def ends(rows: list[str]) -> list[str]:
        return [
            " " + " ".join(map(str, tokenizer(row, add_special_tokens=False)["input_ids"][-8:])) + " " for row in rows
        ]

    assert all(end in read["nano"] for end in ends(tests)), "nano was chosen, and this is how it is seen"
    assert all(end in read["blinded"] for end in ends(other)), "the other base was asked validation rows"
    assert not [end for end in ends(tests) if end in read["blinded"] or end in read["later"]]


def told(text: str) -> str:
    return json.dumps(text)[1:-1]


def test_the_same_call_returns_what_was_chosen(spam: Spam, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    asked = len(server.asked)
    assert choose(spam.folder, spam.data, spam.bases, answers_per_month=FEW) == spam.small
    sets = [word for key, value in (SHORT | {"steps": 16}).items() for word in ("--set", f"{key}={value}")]
    options = ["--hours", "1", "--price-per-hour", "0.01", "--answers-per-month", str(FEW)]
    line = ["choose", spam.data, "--bases", ",".join(spam.bases), *options, "--runs", str(spam.folder / "runs")]
    code = command([*line, *sets, "--gate", "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    assert json.loads(out)["chosen"] == spam.small["chosen"] and len(server.asked) == asked
    assert "do not tune" in " ".join(err.split()) and "Report:" in err


def test_a_choice_that_was_stopped_goes_on(spam: Spam, server: Server) -> None:
    working, server.reply = server.reply, lambda number: (400, {"error": {"message": "closed"}})
    volume, bases = {"answers_per_month": FEW, "name": "stopped"}, [*spam.bases[:2], f"{server.url}#other@1/2"]
    folder = spam.folder / "runs" / "choices" / "stopped"
    try:
        with pytest.raises(WhetError, match="closed"):
            choose(spam.folder, spam.data, bases, **volume)
        before = json.loads((folder / "progress.json").read_text())
        assert "ask nano" in before and not (folder / "choice.json").exists() and before["unfinished"]["seconds"] > 0
    finally:
        server.reply = working
    found = choose(spam.folder, spam.data, bases, **volume)
    after = json.loads((folder / "progress.json").read_text())
    assert after["ask nano"] == before["ask nano"] and found["chosen"]["base"] == bases[2] and found["worth_it"]
    spent = sum(step["seconds"] for step in after.values())
    assert found["budget"]["used"]["hours"] == pytest.approx(spent / 3600)


def test_the_page_and_the_picture_show_every_way(spam: Spam) -> None:
    folder = Path(spam.large["report"]).parent
    page, picture = (folder / "report.html").read_text("utf-8"), (folder / "choice.svg").read_text("utf-8")
    assert "Tune nano" in page and "<script" not in page and picture in page
    ways = 4 + 4 + 3 + 1  # asked three times each, with nano's two tunes and one of the blinded
    assert picture.count("<circle") == 2 * ways + (ways - 3), "nobody knows a server's memory"


def test_shuffled_labels_end_in_none_and_no_test_row_is_read(
    tmp_path: Path, reads: list[tuple[bool, list[int]]]
) -> None:
    data = str(write(tmp_path / "spam.jsonl", messages(120, spam=0.3, shuffled=True)))
    before = len(reads)
    found = choose(tmp_path, data, "nano", steps=4)
    assert found["chosen"] is None and found["verdict"] is None and not found["worth_it"]
    assert "None is worth it" in found["reason"] and found["selection_gain"] is None
    tokenizer = load_tokenizer("nano")
    seen = "".join(" " + " ".join(map(str, ids)) + " " for _, ids in reads[before:])
    ends = [tokenizer(row, add_special_tokens=False)["input_ids"][-8:] for row in questions(tmp_path, "test")]
    assert not [end for end in ends if f" {' '.join(map(str, end))} " in seen]


def test_where_the_small_base_can_do_it_nothing_is_tuned(tmp_path: Path) -> None:
    rng = random.Random(3)
    texts = [" ".join(rng.sample(NOUNS, 3)) for _ in range(80)]
    rows = [{"prompt": f"Repeat this exactly: {text}", "completion": text} for text in texts]
    data = str(write(tmp_path / "copied.jsonl", rows))
    bases = [changed(tmp_path / "enlarged", enlarged), "nano"]
    keys = {"split.near_duplicates": False, "evaluate.max_new_tokens": 10, "evaluate.metric": "exact-match"}
    found = choose(tmp_path, data, bases, steps=2, price_per_hour=None, **keys)
    large, small = found["candidates"]
    assert large["as_it_is"]["score"] == small["as_it_is"]["score"] > 0.9
    assert large["parameters"] > small["parameters"]
    assert (found["chosen"]["base"], found["chosen"]["way"]) == ("nano", "base") and found["worth_it"]
    assert "do not tune" in found["reason"] and [each["name"] for each in found["verdict"]["against"]][0] == "constant"


# ---- what is refused


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(write(tmp_path / "spam.jsonl", messages(120, spam=0.5)))


@pytest.mark.parametrize(
    ("bases", "given", "words"),
    [
        ("nano", {"hours": None}, "there is no budget"),
        ("nano", {"hours": 0.0}, "above 0"),
        ("nano", {"hours": 1e-6}, "too small for any base: nano takes least, about"),
        ("nano", {"memory": "1MB"}, "too small for any base: nano takes least, about 0."),
        ("", {}, "no base is named"),
        ("nano,nano", {}, "named twice"),
        ("nonesuch", {}, "no base of this name"),
        ("http://localhost:1/v1", {}, "which model is asked"),
        ("http://localhost:1/v1#big", {"usd": 1.0}, "by its price, and none is given"),
        ("nano,http://localhost:1/v1#big@1/2", {"price_per_hour": None}, "this machine has no price"),
        ("nano", {"usd": 1.0, "price_per_hour": None}, "this machine has no price"),
        ("nano", {"answers_per_month": 0}, "no volume"),
        ("nano", {"base": "nano"}, "named by bases"),
        ("nano", {"method": "{kind: classify}"}, "write an answer"),
        ("nano", {"split.validation": 0}, "validation rows choose"),
        ("nano", {"evaluate.metric": "nll"}, "compared by written answers"),
    ],
)
def test_what_cannot_be_chosen_is_refused(tmp_path: Path, data: str, bases: str, given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        choose(tmp_path, data, bases, **given)
    assert not list((tmp_path / "runs").glob("*/run.json"))


def test_a_refused_choice_looks_again(tmp_path: Path, data: str) -> None:
    """What is free on a machine may be another amount next time."""
    for _ in range(2):
        with pytest.raises(InputError, match="takes least"):
            choose(tmp_path, data, "nano", hours=1e-6, name="again")
        assert not (tmp_path / "runs" / "choices" / "again" / "progress.json").exists()


def test_the_same_weights_under_two_names_are_one_base(tmp_path: Path, data: str) -> None:
    copied = changed(tmp_path / "copied", lambda weights, config: config.update(_name_or_path="another"))
    with pytest.raises(InputError, match="the same base: their weights are the same"):
        choose(tmp_path, data, ["nano", copied])


def test_a_server_that_would_cost_too_much_is_not_asked(tmp_path: Path, data: str, server: Server) -> None:
    before = len(server.asked)
    with pytest.raises(InputError, match="too small for any candidate"):
        choose(tmp_path, data, [f"{server.url}#dear@1000/1000"], hours=None, usd=0.01)
    assert len(server.asked) == before
