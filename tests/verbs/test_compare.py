"""`compare` from data to advice: the same rows for all arms, nothing asked twice, nothing chosen on test rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import Server, said, serving
from whet import api
from whet.cli.main import run as command
from whet.demo_data.support_desk import generate
from whet.errors import InputError, RunError, RunFolderError
from whet.evaluation.comparison.untouched_rows import prove_disjoint
from whet.store.reading import read_lines

server = pytest.fixture(serving)
SMALL = {"split.test": 12, "split.validation": 8, "steps": 2, "evaluate.forgetting": False}
UNTUNED = SMALL | {"compare.arms": "[zero-shot, few-shot]", "compare.shots": 4}


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "desk.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in generate(60, 3)), "utf-8")
    return str(path)


def compare(tmp_path: Path, data: str, **settings: Any) -> dict[str, Any]:
    return api.compare(data, run_root=tmp_path / "runs", name="desk", **settings)


def test_prompts_alone_need_no_training_and_a_second_call_asks_nothing(tmp_path: Path, data: str) -> None:
    first = compare(tmp_path, data, **UNTUNED)
    folder = tmp_path / "runs" / "desk"
    lines = (folder / "asked.jsonl").read_bytes()
    again = compare(tmp_path, data, **UNTUNED)
    assert (folder / "asked.jsonl").read_bytes() == lines and again == first
    assert not (folder / "model").exists() and (folder / "compare" / "report.html").is_file()
    assert [arm["name"] for arm in first["arms"]] == ["zero-shot", "few-shot"]
    assert all(arm["rows"] == 12 for arm in first["arms"]) and first["verdict"]["word"] is None
    assert first["arms"][1]["prompt_tokens"] > 3 * first["arms"][0]["prompt_tokens"]


def test_a_comparison_that_was_killed_asks_only_for_the_rest(tmp_path: Path, data: str, server: Server) -> None:
    remote = f"[{{model: big, url: '{server.url}', concurrency: 1, retries: 0, price_in: 1.0, price_out: 2.0}}]"
    server.reply = lambda number: (200, said("{}")) if number < 5 else (503, {})
    with pytest.raises(RunError, match="503"):
        compare(tmp_path, data, **UNTUNED, **{"compare.remote": remote})
    before = len(server.asked)
    server.reply = lambda number: (200, said("{}") | {"usage": {"prompt_tokens": 40, "completion_tokens": 2}})
    found = compare(tmp_path, data, **UNTUNED, **{"compare.remote": remote})
    assert len(server.asked) - before == 12 - 5
    assert found["arms"][-1]["name"] == "big" and found["arms"][-1]["cost"] > 0
    asked = {body["messages"][-1]["content"] for _, _, body in server.asked}
    assert asked == {row["prompt"][-1]["content"] for row in side_by_side(tmp_path)}


def side_by_side(tmp_path: Path) -> list[dict[str, Any]]:
    return read_lines(tmp_path / "runs" / "desk" / "compare" / "side_by_side.jsonl")


def test_several_numbers_of_examples_are_tried_on_validation_rows_only(tmp_path: Path, data: str) -> None:
    found = compare(tmp_path, data, **(UNTUNED | {"compare.shots": "[1, 2]"}))
    assert found["shots"]["part"] == "validation" and found["shots"]["rows"] == 8
    assert set(found["shots"]["scores"]) == {"1", "2"} or set(found["shots"]["scores"]) == {1, 2}
    parts = json.loads((tmp_path / "runs" / "desk" / "compare" / "rows.json").read_text("utf-8"))
    assert not set(parts["test"]) & (set(parts["validation"]) | set(parts["trained"]))
    assert {row["row"] for row in side_by_side(tmp_path)} == set(parts["test"])


def test_a_tune_is_made_once_and_used_again_by_name(tmp_path: Path, data: str) -> None:
    arms = {"compare.arms": "[zero-shot, tuned]"}
    found = compare(tmp_path, data, **SMALL, **arms)
    weights = (tmp_path / "runs" / "desk" / "model" / "adapter_model.safetensors").stat().st_mtime_ns
    assert found["verdict"]["word"] is not None and found["honest"]["checkpoint"]["part"] == "validation"
    evaluation = json.loads((tmp_path / "runs" / "desk" / "evaluation.json").read_text("utf-8"))
    assert found["ship"] == evaluation["ship"]
    again = api.compare(data, run="desk", run_root=tmp_path / "runs", **arms, **{"compare.margin": 0.1})
    assert (tmp_path / "runs" / "desk" / "model" / "adapter_model.safetensors").stat().st_mtime_ns == weights
    assert again["margin"] == 0.1 and again["arms"] == found["arms"]
    with pytest.raises(RunFolderError, match="another recipe: epochs is 7.0 here and left out in the run"):
        api.compare(data, run="desk", run_root=tmp_path / "runs", **arms, epochs=7)


def test_a_run_of_other_data_is_refused(tmp_path: Path, data: str) -> None:
    compare(tmp_path, data, **UNTUNED)
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps(row) + "\n" for row in generate(60, 4)), "utf-8")
    with pytest.raises(RunFolderError, match="other data"):
        api.compare(str(other), run="desk", run_root=tmp_path / "runs")


def test_methods_and_rows_without_written_answers_are_refused(tmp_path: Path, data: str) -> None:
    with pytest.raises(InputError, match="asks every arm to write an answer"):
        compare(tmp_path, data, **SMALL, method="classify")
    with pytest.raises(InputError, match="nll does not"):
        compare(tmp_path, data, **UNTUNED, **{"evaluate.metric": "nll"})
    assert not (tmp_path / "runs" / "desk" / "compare").exists()


def test_a_row_in_two_parts_stops_the_proof(tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from whet.evaluation.comparison import untouched_rows as honest_rows

    parts = {"trained": [1], "validation": [2], "test": [2]}
    monkeypatch.setattr(honest_rows, "rows_by_part", lambda ledger: parts)
    with pytest.raises(RunError, match="in the test and in what was learned"):
        prove_disjoint(None)  # type: ignore[arg-type]


def test_the_command_prints_one_object_and_its_gate_stays_shut_without_a_tuned_model(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [word for key, value in UNTUNED.items() for word in ("--set", f"{key}={value}")]
    code = command(["compare", data, "--runs", str(tmp_path / "runs"), "--gate", "--json", *sets])
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert code == 3 and {"arms", "verdict", "report"} <= set(found)
    assert "Report:" in err and found["verdict"]["sentence"].split(":")[0] in " ".join(err.split())


def test_a_metric_of_ones_own_decides_too(tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("def shortness(answer, reference, row):\n    return -1.0 * len(answer)\n", "utf-8")
    found = compare(tmp_path, data, **UNTUNED, **{"evaluate.metric": "own.py:shortness"})
    assert found["metric"]["name"].endswith("own.py:shortness") and found["scale"] > 1
    assert all(arm["score"] < 0 for arm in found["arms"]) and "%" not in found["verdict"]["sentence"].replace("95%", "")


def test_documents_that_are_missing_are_told_before_anything_is_trained(tmp_path: Path, data: str) -> None:
    with pytest.raises(InputError, match="nowhere"):
        compare(tmp_path, data, **SMALL, **{"compare.documents": str(tmp_path / "nowhere")})
    assert not (tmp_path / "runs" / "desk").exists()
