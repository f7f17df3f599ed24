"""`whet flywheel` from a log to one advice: on nano, with a big model that answers as nano does."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

import whet
from whet.cli.main import run as command
from whet.errors import DataError, InputError
from whet.generation import teacher
from whet.verbs.choosing import flywheel as verb
from whet.verbs.choosing import workload_run

THINGS = "kettle lamp tent drill chair coat phone bag book bell fan rug pen torch scooter camera clock pan".split()
STATES = "broken lost late new wet loud old small fine dirty red heavy".split()
ROWS = 60
KEYS: dict[str, Any] = {"steps": 1, "keep": False, "dtype": "float32", "evaluate.every": 1}
KEYS |= {"evaluate.forgetting": False, "evaluate.against": ["base"]}
SMALL = KEYS | {"agreement": 0.5, "price_in": 2.5, "price_out": 10.0}


def sentences(rows: int) -> list[str]:
    """No two of them nearly the same."""
    draw = random.Random(0)
    return [
        f"The {' and the '.join(f'{thing} is {draw.choice(STATES)}' for thing in draw.sample(THINGS, 3))}."
        for _ in range(rows)
    ]


def line(place: int, asked: str, answer: str, system: str = "") -> dict[str, Any]:
    messages = [{"role": "system", "content": system}] if system else []
    return {
        "timestamp": 1_790_000_000 + 40_000 * place,
        "latency_ms": 1500,
        "request": {"model": "big", "messages": [*messages, {"role": "user", "content": asked}]},
        "response": {
            "model": "big",
            "choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 40, "completion_tokens": 10},
        },
    }


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What nano itself answers, as if it were the big model's; and a few requests of another kind, in no order."""
    folder = tmp_path_factory.mktemp("flywheel")
    asked = [{"messages": [{"role": "user", "content": text}]} for text in sentences(ROWS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teacher, "choose_dtype", lambda *given: (torch.float32, "as the comparison"))
        whet.collect(asked, teacher="nano", out=folder / "own.jsonl", max_tokens=40, run_root=folder)
    rows = [json.loads(text)["messages"] for text in (folder / "own.jsonl").read_text("utf-8").splitlines()]
    lines = [line(place, row[0]["content"], row[1]["content"]) for place, row in enumerate(rows)]
    lines += [line(place, f"write to a{place}@example.org", "done", "Be kind.") for place in range(5)]
    random.Random(1).shuffle(lines)
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), "utf-8")
    return path


@pytest.fixture(scope="module")
def result(log: Path) -> dict[str, Any]:
    return whet.flywheel(log, run_root=log.parent / "runs", **SMALL)


def test_a_base_that_answers_as_the_big_one_is_enough(result: dict[str, Any]) -> None:
    found, few = result["workloads"]
    assert found["advice"] == "base is enough" and found["way"] == "zero-shot", found["reason"]
    ways = {way["name"]: way for way in found["arms"]}
    assert list(ways) == ["constant", "zero-shot", "prompted", "few-shot", "few-shot-nearest", "tuned"]
    assert ways["zero-shot"]["score"] == 1.0 and ways["zero-shot"]["seconds_per_answer"] > 0
    assert 0 < ways["zero-shot"]["usd_per_1000"] < found["usd_per_1000"] == pytest.approx(0.2)
    assert (found["requests"], found["seconds"]["p50"], found["ordered_by"]) == (ROWS, 1.5, "time")
    assert few["advice"] == "left" and few["reason"].startswith("1 row can be used") and few["arms"] == []
    assert few["example"] == "write to [EMAIL]"
    assert "1 (92% of all requests) need no big model" in result["sentence"] and result["savings"]["machines"] == 1
    assert result["advice"] == "keep the big one", "a machine costs more than ten requests a day"


def test_the_run_is_a_normal_one_of_the_earlier_rows(result: dict[str, Any], log: Path) -> None:
    found = result["workloads"][0]
    run = whet.Run.open(found["run"], log.parent / "runs")
    assert run.status == "done" and run.recipe.split.in_order and run.recipe.test
    times = {row["request"]["messages"][-1]["content"]: row["timestamp"] for row in map(json.loads, log.open())}
    part_of = {row["row"]: row["fate"] for row in map(json.loads, (run.folder / "rows.jsonl").open())}
    asked = [json.loads(text) for name in (str(run.recipe.data), run.recipe.test) for text in Path(name).open()]
    when: dict[str, list[int]] = {}
    for number, row in enumerate(asked):
        when.setdefault(part_of[number], []).append(times[row["messages"][0]["content"]])
    assert max(when["trained"]) < min(when["validation"]) < max(when["validation"]) < min(when["test"])
    assert {part: len(times) for part, times in when.items()} == {
        "trained": found["rows"]["train"],
        "validation": found["rows"]["validation"],
        "test": found["rows"]["test"],
    }


def test_what_is_finished_is_returned_and_other_prices_ask_nothing(
    result: dict[str, Any], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_run, "compare", lambda *given, **named: pytest.fail("it was compared again"))
    assert whet.flywheel(log, run_root=log.parent / "runs", **SMALL) == result
    dear = whet.flywheel(log, run_root=log.parent / "runs", **SMALL | {"machine_usd_per_hour": 90_000.0})
    assert dear["workloads"][0]["advice"] == "a fixed answer is enough" or "costs" in dear["workloads"][0]["reason"]
    assert dear["workloads"][0]["arms"][1]["usd_per_1000"] > result["workloads"][0]["arms"][1]["usd_per_1000"]
    moved = log.with_name("moved.jsonl")
    lines = log.read_text("utf-8").splitlines(keepends=True)
    moved.write_text("".join(reversed(lines)), "utf-8")
    again = whet.flywheel(moved, run_root=log.parent / "runs", **SMALL)
    assert [entry["run"] for entry in again["workloads"]] == [entry["run"] for entry in result["workloads"]]
    fewer = whet.flywheel([log], only=result["workloads"][0]["id"], run_root=log.parent / "runs", **SMALL)
    assert len(fewer["workloads"]) == 1 and fewer["workloads"][0] == result["workloads"][0]


def test_rows_that_a_base_cannot_learn_leave_the_workload_with_the_reason(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any) -> None:
        raise DataError("the template leaves tools out", where="x:1")

    monkeypatch.setattr(verb, "compared", refuse)
    found = whet.flywheel(log, run_root=tmp_path, **SMALL)
    assert found["workloads"][0]["advice"] == "left"
    assert found["workloads"][0]["reason"] == "the base cannot learn it: the template leaves tools out"
    assert (found["advice"], found["savings"]["saved_usd"]) == ("keep the big one", 0.0)


def test_the_command_lists_plans_and_prints_one_object(
    result: dict[str, Any], log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["flywheel", str(log), "--agreement", "0.5", "--price-in", "2.5", "--price-out", "10", "--json"]
    assert command([*given, "--workloads", "--runs", str(tmp_path)]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["advice"] for entry in listed["workloads"]] == [None, "left"] and not list(tmp_path.iterdir())
    assert [entry["id"] for entry in listed["workloads"]] == [entry["id"] for entry in result["workloads"]]

    assert command([*given, "--plan", "--runs", str(log.parent / "runs"), "--set", "steps=1"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["workloads"][0]["plan"]["fits"] and "sentence" not in planned

    sets = [word for key, value in KEYS.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    assert command([*given[:-1], "--runs", str(log.parent / "runs"), *sets]) == 0
    shown = capsys.readouterr().out
    assert "base is enough" in shown and "the big model" in shown and result["sentence"] in shown


@pytest.mark.parametrize(
    "given, where",
    [
        ({"agreement": 1.0}, "agreement"),
        ({"most": 0}, "most"),
        ({"price_in": 1.0}, "price_out"),
        ({"price_in": -1.0, "price_out": 1.0}, "price_in"),
        ({"only": "00000000"}, "only"),
        ({"model": "bigg"}, "model"),
        ({"split.test": 3}, "split.test"),
        ({"data": "x"}, "data"),
        ({"machine_usd_per_hour": -1}, "machine_usd_per_hour"),
    ],
)
def test_what_is_not_there_is_refused(given: dict[str, Any], where: str, log: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        whet.flywheel(log, run_root=tmp_path, **given)
    assert where in refused.value.where and not list(tmp_path.iterdir())
