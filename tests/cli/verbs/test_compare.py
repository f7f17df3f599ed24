"""`whet compare` shows its advice, and its gate opens only for a tuned model that is worth it and may be used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.reports.made_up_comparison import comparison
from whet.cli.main import run

NO = {"answer": "no", "sentence": "No: it is better at its task, but over budget elsewhere: general text."}


def answers(api: Any, **changed: Any) -> None:
    """Let `api.compare` give a made-up comparison in which tuning wins, with what is changed."""
    facts = comparison(300)[0] | {"report": "runs/tickets-1a2b3c4d/compare/report.html"}
    facts |= {key: facts[key] | value if key == "verdict" else value for key, value in changed.items()}
    api.compare = lambda recipe, **_: facts


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, 0),
        ({"verdict": {"word": "undecided"}}, 3),
        ({"verdict": {"word": None}}, 3),
        ({"ship": NO}, 3),
        ({"ship": None}, 3),
        ({"ship": NO, "verdict": {"arm": "few-shot"}}, 0),
    ],
)
def test_the_gate_of_compare(api: Any, capsys: pytest.CaptureFixture[str], changed: dict[str, Any], code: int) -> None:
    answers(api, **changed)
    assert run(["compare", "tickets.jsonl", "--gate", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["run"] == "tickets-1a2b3c4d"
    assert run(["compare", "tickets.jsonl"]) == 0


def test_what_the_run_says_of_its_model_stands_in_the_advice(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    answers(api, ship=NO)
    assert run(["compare", "tickets.jsonl"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "the run itself says: No: it is better at its task, but over budget elsewhere: general text." in shown
    answers(api)
    assert run(["compare", "tickets.jsonl"]) == 0
    assert "the run itself says" not in capsys.readouterr().out
