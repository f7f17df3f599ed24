"""What a client reads of a file that was examined: lines of it, and no path of the server's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whet.demo_data.support_desk import generate
from whet.server.files.first_row import plain_places
from whet.server.jobs.children.examination import examine
from whet.server.jobs.children.outcome import result_of
from whet.store.run import Run


@pytest.mark.parametrize(
    "said, told",
    [
        ("29 rows hold it (/srv/jobs/x/training.jsonl:9: telephone)", "29 rows hold it (line 9: telephone)"),
        ("/srv/jobs/x/training.jsonl:4 is no JSON", "line 4 is no JSON"),
        ("rows [/srv/validation.jsonl:2, ...]", "rows [line 2 of the validation file, ...]"),
        ("/srv/training.jsonl: is empty", "the training file: is empty"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_places_are_lines_of_the_file(said: str, told: str) -> None:
    assert plain_places(said) == told


def test_rows_need_no_test_where_none_is_asked_for(tmp_path: Path) -> None:
    data = tmp_path / "training.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in generate(40, 0)), "utf-8")
    values: dict[str, Any] = {"data": str(data), "base": "nano", "split": {"validation": 4, "test": 0}}
    examined = examine(values, tmp_path / "runs")
    assert (examined.rows, examined.refusal) == (40, None)

    refused = examine({**values, "drop_budget": 0.0, "max_tokens": 40}, tmp_path / "runs").refusal
    assert refused is not None, "rows that cannot be used are told of all the same"


def test_a_run_without_test_rows_has_no_verdict(copy_of_run: Any) -> None:
    run = Run(copy_of_run("sft"))  # made by `train`
    facts = {**run.read_json("training.json"), "ledger": run.read_json("ledger.json")}
    told = result_of(run, "ftjob-1", facts)
    assert told.keys() == {"best_step", "proof"} and told["proof"]["self_check"]["passed"]
