"""Collecting a teacher's answers from a server that fails, limits and answers wrongly: nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import Server, serving
from whet import api
from whet.cli.main import run
from whet.data.read.source import read_source
from whet.data.rows.convert import to_row
from whet.data.rows.format_detector import detect
from whet.errors import DataError, InputError, RunError
from whet.generation.chat_client import ChatClient
from whet.generation.collection.collector import WRONG_IN_A_ROW, RateLimit, collect, read_prompts, requests_of
from whet.generation.collection.rows_file import CollectSettings, Request, RowsFile, request_of
from whet.generation.collection.sources import RemoteTeacher
from whet.generation.collection.spending import SpendingLimit, Usage, worst_case
from whet.recipe.schema import Recipe
from whet.types import Completion

SECRET = "sk-very-secret-123"
USAGE = {"prompt_tokens": 10, "completion_tokens": 4}
server = pytest.fixture(serving)


def answered(text: str, finish: str = "stop", usage: Any = USAGE) -> dict[str, Any]:
    return {"choices": [{"message": {"content": text}, "finish_reason": finish}], "usage": usage}


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    rows = [{"prompt": f"Say {n} é."} for n in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHET_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("whet.model_server.FIRST_WAIT", 0.0)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def go(server: Server, prompts: Path, out: Path, **more: Any) -> dict[str, Any]:
    return api.collect(prompts, server.url, out, model="m", **more)


def test_rows_are_read_by_whet_and_hold_where_they_come_from(server: Server, prompts: Path, tmp_path: Path) -> None:
    server.reply = lambda number: (200, answered(f" Answer {number}. "))
    found = go(server, prompts, tmp_path / "a.jsonl", system="Be brief.", temperature=0.5, max_tokens=9)
    assert found["rows"] == found["new"] == 6 and found["missing"] == 0
    assert found["usage"] == {"prompt_tokens": 60, "answer_tokens": 24}
    for number, (_, _, body) in enumerate(server.asked):
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert body["messages"][1] == {"role": "user", "content": f"Say {number} é."}
        assert (body["model"], body["max_tokens"], body["temperature"]) == ("m", 9, 0.5)
    row = lines(tmp_path / "a.jsonl")[2]
    assert row["messages"] == [
        {"role": "user", "content": "Say 2 é."},
        {"role": "assistant", "content": "Answer 2."},
    ], "the system prompt stands in the provenance alone"
    provenance = row["provenance"]
    assert provenance["system"] == "Be brief." and provenance["model"] == "m" and provenance["teacher"] == server.url
    assert provenance["usage"] == {"prompt_tokens": 10, "answer_tokens": 4, "estimated": False}
    raws = list(read_source(str(tmp_path / "a.jsonl")))
    recipe = Recipe(data="a.jsonl")
    shape = detect((raw.value for raw in raws), recipe)
    assert shape.kind == "chat" and to_row(raws[2], shape, recipe).reference == "Answer 2."


def test_it_goes_on_where_it_stopped_and_heals_a_torn_line(server: Server, prompts: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    server.reply = lambda number: (200, answered("ok")) if number < 3 else (500, {})
    with pytest.raises(RunError, match="500"):
        go(server, prompts, out)
    assert len(lines(out)) == 3
    with out.open("a") as file:
        file.write('{"messages": [{"role": "us')
    asked = len(server.asked)
    server.reply = lambda number: (200, answered("later"))
    found = go(server, prompts, out)
    assert (found["rows"], found["new"]) == (6, 3) and len(server.asked) == asked + 3
    assert [row["messages"][1]["content"] for row in lines(out)] == ["ok"] * 3 + ["later"] * 3
    again = go(server, prompts, out)
    assert again["new"] == 0 and len(server.asked) == asked + 3, "nothing is asked twice"


def test_wrong_answers_are_skipped_and_asked_again_next_time(server: Server, prompts: Path, tmp_path: Path) -> None:
    wrong = {1: {"error": "?"}, 3: {"choices": [{"message": {"content": None}}]}}
    server.reply = lambda number: (200, wrong.get(number, answered("ok")))
    found = go(server, prompts, tmp_path / "a.jsonl")
    assert (found["rows"], found["wrong_answers"], found["missing"]) == (4, 2, 2)
    server.reply = lambda number: (200, answered("ok"))
    assert go(server, prompts, tmp_path / "a.jsonl")["rows"] == 6


def test_a_server_that_only_answers_wrongly_is_left_alone(server: Server, prompts: Path, tmp_path: Path) -> None:
    server.reply = lambda number: (200, {"hello": "I am another service"})
    with pytest.raises(RunError, match="no message"):
        go(server, prompts, tmp_path / "a.jsonl")
    assert len(server.asked) == WRONG_IN_A_ROW and not (tmp_path / "a.jsonl").exists()


def test_limits_are_waited_for(server: Server, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    server.headers = {"Retry-After": "7"}
    server.reply = lambda number: (429, {}) if number % 2 == 0 else (200, answered("ok"))
    asking = CollectSettings(server.url, "m")
    teacher = RemoteTeacher(ChatClient(server.url, "m", sleep=waits.append))
    found = collect(requests_of(read_prompts(str(prompts), None), asking), teacher, asking, tmp_path / "a.jsonl")
    assert found["rows"] == 6 and waits == [7.0] * 6


def test_cut_off_and_empty_answers_are_left_out_and_not_paid_twice(
    server: Server, prompts: Path, tmp_path: Path
) -> None:
    replies = {0: answered("half an ans", "length"), 1: answered("  ")}
    server.reply = lambda number: (200, replies.get(number, answered("ok")))
    found = go(server, prompts, tmp_path / "a.jsonl")
    assert (found["rows"], found["left_out"], found["missing"]) == (4, 2, 0)
    assert found["usage"]["answer_tokens"] == 24, "they were paid for"
    assert [line["reason"] for line in lines(tmp_path / "a.jsonl.left-out.jsonl")] == ["cut off", "empty"]
    go(server, prompts, tmp_path / "a.jsonl")
    assert len(server.asked) == 6


def test_the_budget_is_never_exceeded_over_all_runs(server: Server, prompts: Path, tmp_path: Path) -> None:
    server.reply = lambda number: (200, answered("ok"))
    worst = worst_case([{"role": "user", "content": "Say 0 é."}], 20).tokens
    assert worst == len("Say 0 é.".encode()) + 16 + 20
    found = go(server, prompts, tmp_path / "a.jsonl", max_tokens=20, budget_tokens=2 * 14 + worst)
    assert found["stopped"] and (found["rows"], found["missing"]) == (3, 3)
    again = go(server, prompts, tmp_path / "a.jsonl", max_tokens=20, budget_tokens=2 * 14 + worst)
    assert again["new"] == 0 and len(server.asked) == 3, "what was spent before counts"
    more = go(server, prompts, tmp_path / "a.jsonl", max_tokens=20, budget_tokens=1000)
    assert more["rows"] == 6 and more["stopped"] is None


def test_a_budget_in_dollars(server: Server, prompts: Path, tmp_path: Path) -> None:
    prices = {"price_in": 100_000.0, "price_out": 500_000.0}  # an answer costs 10 * 0.1 + 4 * 0.5 = 3 dollars
    server.reply = lambda number: (200, answered("ok"))
    found = go(server, prompts, tmp_path / "a.jsonl", max_tokens=4, budget_usd=12.0, **prices)
    assert found["usd"] == pytest.approx(3.0 * found["rows"]) and 1 < found["rows"] < 4 and found["stopped"]


def test_without_a_count_the_worst_case_is_counted(server: Server, prompts: Path, tmp_path: Path) -> None:
    server.reply = lambda number: (200, answered("ok", usage=None))
    found = go(server, prompts, tmp_path / "a.jsonl", max_tokens=5)
    assert found["usage"] == {"prompt_tokens": 6 * (9 + 16), "answer_tokens": 30}
    assert lines(tmp_path / "a.jsonl")[0]["provenance"]["usage"]["estimated"] is True


@pytest.mark.parametrize("name", ["WHET_API_KEY", "OPENAI_API_KEY"])
def test_the_key_is_sent_and_never_written_or_said(
    server: Server, prompts: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setenv(name, SECRET)
    replies: list[Any] = [(200, answered("ok")), (401, {"error": f"Incorrect API key provided: {SECRET}"})]
    server.reply = lambda number: replies[min(number, 1)]
    words = ["collect", str(prompts), "--teacher", server.url, "--model", "m", "--out", str(tmp_path / "a.jsonl")]
    assert run([*words, "--json"]) == 2
    assert server.asked[0][1]["Authorization"] == f"Bearer {SECRET}"
    out, err = capfd.readouterr()
    assert "401" in err and SECRET not in out + err
    assert all(SECRET not in path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file())


def test_the_key_follows_no_redirection(
    server: Server, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHET_API_KEY", SECRET)
    server.headers = {"Location": server.url + "/elsewhere"}
    server.reply = lambda number: (302, {})
    with pytest.raises(InputError, match="302"):
        go(server, prompts, tmp_path / "a.jsonl")
    assert len(server.asked) == 1


def test_without_a_key_none_is_sent(server: Server, prompts: Path, tmp_path: Path) -> None:
    server.reply = lambda number: (200, answered("ok"))
    go(server, prompts, tmp_path / "a.jsonl")
    assert all("Authorization" not in headers for _, headers, _ in server.asked)


class Counting:
    """A teacher that answers at once, some requests at a time."""

    together = 4

    def ask(self, requests: Sequence[Request], asking: CollectSettings) -> list[Completion]:
        return [Completion(f"{request.sample}", True, prompt_tokens=3, answer_tokens=2) for request in requests]


def test_samples_and_equal_prompts(tmp_path: Path) -> None:
    prompt = [{"role": "user", "content": "Hi"}]
    asking = CollectSettings("t", "m", samples=3, temperature=1.0)
    wanted = requests_of([prompt, prompt], asking)
    assert len(wanted) == 3, "the same prompt twice is asked once"
    found = collect(wanted, Counting(), asking, tmp_path / "a.jsonl")
    assert found["rows"] == 3
    assert [row["messages"][1]["content"] for row in lines(tmp_path / "a.jsonl")] == ["0", "1", "2"]
    more = CollectSettings("t", "m", samples=5, temperature=1.0)
    assert collect(requests_of([prompt], more), Counting(), more, tmp_path / "a.jsonl")["new"] == 2


def test_requests_are_spaced_evenly() -> None:
    clock = [0.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    pace = RateLimit(30, sleep, lambda: clock[0])
    for _ in range(3):
        pace.wait()
        clock[0] += 0.5
    assert waits == [1.5, 1.5]


@pytest.mark.parametrize("changed", [{"system": "Other."}, {"temperature": 1.0}, {"max_tokens": 7}])
def test_a_file_of_other_settings_is_refused(
    server: Server, prompts: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    server.reply = lambda number: (200, answered("ok"))
    go(server, prompts, tmp_path / "a.jsonl")
    before = (tmp_path / "a.jsonl").read_bytes()
    with pytest.raises(DataError, match=f"another {next(iter(changed))}"):
        go(server, prompts, tmp_path / "a.jsonl", **changed)
    assert (tmp_path / "a.jsonl").read_bytes() == before and len(server.asked) == 6


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    lost = {"messages": [], "provenance": {**CollectSettings("t", "m").shared, "request": "1", "usage": {"tokens": 3}}}
    for text in ('{"prompt": "a", "completion": "b"}\n', "no json\n", json.dumps(lost) + "\n"):
        (tmp_path / "a.jsonl").write_text(text)
        with pytest.raises(DataError):
            RowsFile(tmp_path / "a.jsonl", CollectSettings("t", "m"))
        assert (tmp_path / "a.jsonl").read_text() == text


def test_a_request_is_known_by_all_that_changes_its_answer() -> None:
    prompt = [{"role": "user", "content": "Hi"}]
    base = CollectSettings("t", "m")
    keys = {
        request_of(prompt, base, 0).key,
        request_of(prompt, base, 1).key,
        request_of([{"role": "user", "content": "Ho"}], base, 0).key,
        *(
            request_of(prompt, other, 0).key
            for other in (CollectSettings("u", "m"), CollectSettings("t", "n"), CollectSettings("t", "m", "s"))
        ),
    }
    assert len(keys) == 6 and request_of(prompt, CollectSettings("t", "m", samples=9), 0).key in keys


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"budget_usd": 1.0}, "needs prices"),
        ({"budget_tokens": 0}, "above 0"),
        ({"per_minute": 0.0}, "above 0"),
        ({"price_in": -1.0}, "0 or more"),
        ({"max_tokens": 0}, "at least one"),
        ({"temperature": -1.0}, "0 \\(greedy\\)"),
    ],
)
def test_wrong_bounds_are_refused_before_anything_is_asked(
    server: Server, prompts: Path, tmp_path: Path, more: dict[str, Any], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        go(server, prompts, tmp_path / "a.jsonl", **more)
    assert not server.asked and not (tmp_path / "a.jsonl").exists()


def test_wrong_commands(prompts: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    for teacher, model, fault in [
        ("http://u:p@host/v1", "m", "an address"),
        ("http://host/v1?key=1", "m", "an address"),
        ("http://host/v1", None, "name of a model"),
        ("nano", "m", "leave it out"),
        ("no-such-run", None, "no such teacher"),
    ]:
        with pytest.raises(InputError, match=fault):
            api.collect(prompts, teacher, out, model=model, run_root=tmp_path)
    with pytest.raises(InputError, match="JSON lines"):
        api.collect(prompts, "nano", tmp_path / "a.csv", run_root=tmp_path)
    own = tmp_path / "own.jsonl"
    own.write_text(json.dumps({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]}))
    with pytest.raises(DataError, match="of its own"):
        api.collect(own, "nano", out, system="T", run_root=tmp_path)
    assert not out.exists()


def test_the_bundled_base_is_a_teacher(prompts: Path, tmp_path: Path) -> None:
    (tmp_path / "system.txt").write_text("Repeat it.\n")
    words = ["collect", str(prompts), "--teacher", "nano", "--max-tokens", "40", "--out", str(tmp_path / "a.jsonl")]
    assert run([*words, "--system", f"@{tmp_path / 'system.txt'}"]) == 0
    [first, *_] = lines(tmp_path / "a.jsonl")
    assert first["provenance"]["system"] == "Repeat it." and first["provenance"]["model"].startswith("nano ")
    assert first["messages"][0]["role"] == "user" and not first["provenance"]["usage"]["estimated"]


def test_a_sum_of_estimates_is_an_estimate() -> None:
    assert (Usage(1, 2) + Usage(3, 4, True)) == Usage(4, 6, True)
    assert SpendingLimit(tokens=3).holds(Usage(1, 2)) and not SpendingLimit(tokens=3).holds(Usage(2, 2))
