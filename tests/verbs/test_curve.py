"""A learning curve from four small tunes: nested rows, the same test rows, files in the run, and what is refused."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from tests.chat_server import Server, said, serving
from whet import api
from whet.demo_data.support_desk import generate
from whet.errors import InputError, RunError
from whet.evaluation.studies.curve_runs import measure_curve
from whet.store.reading import read_lines
from whet.store.run import Run

server = pytest.fixture(serving)


def trained_rows(run: Run) -> set[int]:
    return {line["row"] for line in read_lines(run.folder / "rows.jsonl") if line["fate"] == "trained"}


def judged_of(run: Run) -> set[tuple[str, str]]:
    lines = read_lines(run.folder / "answers.jsonl")
    return {(json.dumps(line["prompt"]), line[side].strip()) for line in lines for side in ("base", "tuned")}


def test_four_tunes_make_a_curve(tmp_path: Path, server: Server) -> None:
    server.reply = lambda number: (200, said("5"))
    data = tmp_path / "tickets.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in generate(120, seed=5)))
    keys = {"steps": 2, "evaluate.max_new_tokens": 4, "evaluate.metric": "rouge-l", "dtype": "float32"}
    keys |= {"evaluate.forgetting": False, "evaluate.against": ["base"]}
    keys |= {"evaluate.wins": f"{{kind: judge, url: '{server.url}', model: m, question: 'Is it right?', retries: 0}}"}
    facts = api.curve(str(data), run_root=tmp_path / "runs", name="tickets", **keys)
    rows = [point["rows"] for point in facts["points"]]
    assert rows[-1] == 96 and [round(8 * count / 96) for count in rows] == [1, 2, 4, 8]
    runs = [Run.open(point["run"], tmp_path / "runs") for point in facts["points"]]
    parts = [trained_rows(run) for run in runs]
    assert [len(part) for part in parts] == rows
    assert all(small < large for small, large in zip(parts, parts[1:], strict=False)), "nested"
    whole = runs[-1]
    assert whole.name == "tickets" and json.loads((whole.folder / "curve.json").read_text())["word"] == facts["word"]
    assert Path(facts["picture"]).read_text().startswith("<svg")
    scores = [line["tuned_score"] for line in read_lines(whole.folder / "answers.jsonl")]
    assert facts["points"][-1]["score"] == pytest.approx(sum(scores) / len(scores)) and facts["test_rows"] == 12
    new = [judged_of(run) - judged_of(whole) for run in runs[:-1]]
    assert len(server.asked) == len(judged_of(whole)) + sum(map(len, new)), "the base's answers are judged once"
    before = {run.name: (run.folder / "evaluation.json").stat().st_mtime_ns for run in runs}
    again = api.curve(str(data), run_root=tmp_path / "runs", name="tickets", **keys)
    assert again == facts, "finished runs are not made again"
    assert before == {run.name: (run.folder / "evaluation.json").stat().st_mtime_ns for run in runs}
    page = re.sub("<[^>]+>", "", (whole.folder / "report.html").read_text("utf-8"))
    assert html.escape(facts["sentence"]) in page
    checked = api.check(str(data), run_root=tmp_path / "runs", only=["html"])["curve"]
    assert checked["sentence"] == facts["sentence"] and checked["run"] == "tickets" and "gain" in checked
    assert api.check(str(data), run_root=tmp_path / "others", only=["html"])["curve"] is None
    with data.open("a") as file:
        file.write(json.dumps(next(iter(generate(1, seed=99)))) + "\n")
    assert api.check(str(data), run_root=tmp_path / "runs", only=["html"])["curve"] is None, "of other rows"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"method": "{kind: pretrain}"}, "has none"),
        ({"split.train_share": 0.5}, "all training rows"),
        ({}, "too few training rows"),
    ],
)
def test_what_has_no_curve_is_refused_before_anything_is_trained(tmp_path: Path, keys: dict, words: str) -> None:
    data = tmp_path / "few.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in generate(20, seed=5)))
    with pytest.raises(InputError, match=words):
        api.curve(str(data), run_root=tmp_path / "runs", **keys)
    assert not list((tmp_path / "runs").glob("*/run.json"))


def test_a_metric_on_another_scale_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    data = tmp_path / "tickets.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in generate(120, seed=5)))
    (tmp_path / "own.py").write_text("def stars(answer, reference, row):\n    return 5.0 * (answer == reference)\n")
    with pytest.raises(InputError, match="outside 0..1"):
        api.curve(str(data), run_root=tmp_path / "runs", **{"evaluate.metric": f"{tmp_path}/own.py:stars"})
    assert not list((tmp_path / "runs").glob("*/run.json"))


def test_scores_that_are_no_shares_are_refused_after_the_first_run(tmp_path: Path) -> None:
    data, metric = tmp_path / "few.jsonl", tmp_path / "length.py"
    data.write_text("".join(json.dumps(row) + "\n" for row in generate(60, seed=5)))
    metric.write_text("def length(answer, reference, row):\n    return 2.0 * (answer != reference)\n")
    keys = {"steps": 1, "evaluate.metric": f"{metric}:length", "evaluate.forgetting": False}
    with pytest.raises(InputError, match=r"needs scores from 0 to 1, and .*length gives others"):
        api.curve(str(data), run_root=tmp_path / "runs", **keys)
    assert len(list((tmp_path / "runs").glob("*/run.json"))) == 1


def test_points_by_different_metrics_make_no_curve(tmp_path: Path) -> None:
    runs = []
    for rows, metric in ((8, "exact-match"), (16, "rouge-l"), (32, "rouge-l")):
        folder = tmp_path / str(rows)
        folder.mkdir()
        (folder / "answers.jsonl").write_text('{"row": 0, "tuned_score": 1.0}\n')
        runs.append((Run(folder), {"metric": {"name": metric}, "ledger": {"trained": rows}}))
    with pytest.raises(RunError, match="different metrics"):
        measure_curve(runs, None, 0)
