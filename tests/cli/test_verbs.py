"""The verbs hand the right things on, and show what came back."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from whet.cli.main import run
from whet.evaluation.forgetting.budget import Measure
from whet.recipe.load import load_recipe
from whet.recipe.schema import Lora, Recipe, Sft
from whet.recipe.sections.keep import Forgetting, Keep
from whet.reports.sections.evidence.cost import measure_row
from whet.store.model_registry import find_run

Capture = pytest.CaptureFixture[str]


def test_tune_shows_choices_ledger_verdict_and_report(api: Any, capsys: Capture) -> None:
    assert run(["tune", "tickets.jsonl", "--set", "steps=5", "--set", "adapter.rank=4", "--name", "mine"]) == 0
    (recipe,) = api.recipes
    assert recipe == Recipe(data="tickets.jsonl", steps=5, adapter=Lora(rank=4))
    shown = capsys.readouterr()
    for expected in ("epochs", "The usual number of passes.", "dropped: too-long", "2,345", "better by 80 points"):
        assert expected in shown.out
    for expected in ("base 0.0%", "tuned 80.0%", "report.html", "No harm was found.", "Run: runs/mine"):
        assert expected in shown.out
    assert "training 20/20  loss 0.050  1,000 tokens/s" in shown.err and "a [note] with brackets" in shown.err


@pytest.mark.parametrize("arguments", [["tune", "tickets.jsonl"], ["train", "tickets.jsonl"], ["demo", "--rows", "40"]])
def test_json_is_one_object_and_nothing_else_on_stdout(api: Any, capsys: Capture, arguments: list[str]) -> None:
    assert run([*arguments, "--json"]) == 0
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert result["ledger"]["rows_in"] == 100 and result["run"]
    assert "Where every row went" in shown.err
    assert shown.out.count("\n") == 1


@pytest.mark.parametrize(("word", "code"), [("better", 0), ("worse", 3), ("no-difference", 3), ("undecided", 3)])
def test_the_gate_opens_only_for_better(api: Any, capsys: Capture, word: str, code: int) -> None:
    api.word = word
    assert run(["tune", "tickets.jsonl", "--gate", "--name", "a"]) == code
    assert run(["eval", "a", "--gate"]) == code
    assert run(["tune", "tickets.jsonl", "--name", "a"]) == 0


def test_the_gate_stays_shut_where_something_broke(api: Any, capsys: Capture) -> None:
    api.broken = ["The base's own skills"]
    assert run(["tune", "tickets.jsonl", "--gate"]) == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("over budget elsewhere: the base's own skills") == 1, "said once, not in the panel too"
    assert "better by 80 points" in shown


def test_a_no_names_the_ways_on(api: Any, capsys: Capture) -> None:
    assert run(["tune", "tickets.jsonl", "--name", "mine"]) == 0
    assert "What often helps" not in capsys.readouterr().out
    api.broken = ["The base's own skills"]
    assert run(["tune", "tickets.jsonl", "--name", "mine"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    told = shown.partition("Should it be used? No: ")[2]
    assert "the same command with --until-kept" in told and "whet frontier mine" in told


def test_until_kept_is_asked_for_and_not_by_default(api: Any) -> None:
    assert run(["tune", "tickets.jsonl", "--name", "mine"]) == 0
    assert run(["tune", "tickets.jsonl", "--name", "mine", "--until-kept"]) == 0
    assert api.until_kept == [False, True]


def test_costs_are_told_with_the_words_and_signs_of_the_report(api: Any, capsys: Capture) -> None:
    suite = Measure("skills", "The base's own skills", "points", 0.71, 0.01, 0.7, 0.6, 0.78, 240, 0.06, "a convention")
    general = Measure("general-text", "General text", "percent", 1.0, 1.01, 0.01, 0.0, 0.015, 9, 0.02, "a convention")
    api.measures, api.broken = [asdict(suite), asdict(general)], ["The base's own skills"]
    assert run(["tune", "tickets.jsonl"]) == 0
    lines = capsys.readouterr().out.splitlines()
    skills, text = (next(line for line in lines if line.startswith(what)) for what in ("The base's", "General"))
    for words in ("score -70.0 points", "-78.0 to -60.0", "-6.0 points", "over budget"):
        assert words in skills and words in " ".join(measure_row(asdict(suite)).values())
    assert "loss +1.0%" in text and "within budget" in text
    assert suite.statement == (
        "The base's own skills: over budget; score -70.0 points (95% interval -78.0 to -60.0); "
        "the budget is -6.0 points, a convention."
    )


def test_the_demo_writes_its_data_and_shows_answers(api: Any, capsys: Capture) -> None:
    assert run(["demo", "--rows", "40", "--seed", "7"]) == 0
    data = Path("whet-demo/support-desk-40-7.jsonl")
    assert len(data.read_text().splitlines()) == 40
    assert api.recipes == [
        Recipe(
            data=str(data),
            epochs=3,
            learning_rate=0.0045,
            keep=Keep(replay="base", ratio=0.3, every=1, kl=2),
            forgetting=Forgetting(score=0.15),
        )
    ]
    shown = capsys.readouterr().out
    assert "Where is it?" in shown and "tuned {}" in shown and "whet chat support-desk-40-7-" in shown


def test_init_writes_a_recipe_that_loads_and_is_not_overwritten(capsys: Capture) -> None:
    assert run(["init", "tickets.jsonl"]) == 0
    text = Path("tickets.yaml").read_text()
    assert load_recipe("tickets.yaml") == Recipe(data="tickets.jsonl", method=Sft())
    assert "# The data is prompt-completion" in text
    assert run(["init", "tickets.jsonl"]) == 2
    assert "this file exists" in capsys.readouterr().err
    commented = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") and ":" in line]
    for line in commented[1:]:
        assert load_recipe({"data": "a"}, [line.split("#")[0].strip().replace(": ", "=", 1)])


def test_init_in_another_folder_still_finds_the_data() -> None:
    assert run(["init", "tickets.jsonl", "--out", "recipes/a.yaml"]) == 0
    assert load_recipe("recipes/a.yaml").data == "recipes/../tickets.jsonl"


def test_init_knows_plain_text_and_refuses_broken_data(capsys: Capture) -> None:
    Path("book.txt").write_text("Once upon a time.\n" * 10)
    assert run(["init", "book.txt"]) == 0
    assert load_recipe("book.yaml").method.kind == "pretrain"
    Path("broken.jsonl").write_text("{")
    assert run(["init", "broken.jsonl"]) == 2
    assert "broken.jsonl:1" in capsys.readouterr().err and not Path("broken.yaml").exists()


def test_show_marks_what_is_learned(api: Any, capsys: Capture) -> None:
    assert run(["show", "tickets.jsonl", "--rows", "1"]) == 0
    shown = capsys.readouterr().out
    assert "user: [hi]\n«hello»" in shown and "3 of 9 tokens are learned (33%)" in shown


def test_chat_draws_as_it_is_told(api: Any, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Be kind.")
    told = ["--temperature", "0.7", "--top-p", "0.9", "--top-k", "40", "--max-tokens", "9", "--seed", "5"]
    assert run(["chat", "nano", "--prompt", "hi", "--system", "@prompt.txt", *told]) == 0
    assert api.session.asked[0][0] == {"role": "system", "content": "Be kind."}
    [drawn] = api.session.drawn
    assert (drawn.temperature, drawn.top_p, drawn.top_k, drawn.max_new_tokens) == (0.7, 0.9, 40, 9)
    for _ in range(2):
        assert run(["chat", "nano", "--prompt", "hi", "--temperature", "1"]) == 0
    assert len({one.seed for one in api.session.drawn}) == 3, "without a seed, another one each time"
    assert run(["chat", "nano", "--prompt", "hi"]) == 0 and api.session.drawn[-1].temperature == 0


@pytest.mark.parametrize("idle", [["--top-p", "0.5"], ["--top-k", "3"], ["--seed", "1"]])
def test_chat_refuses_options_that_would_do_nothing(idle: list[str], api: Any, capsys: Capture) -> None:
    assert run(["chat", "nano", "--prompt", "hi", *idle]) == 2
    assert "nothing is drawn at temperature 0" in capsys.readouterr().err and not api.session.asked


def test_each_turn_of_a_chat_draws_anew(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["hi", "hi", ""])
    monkeypatch.setattr("builtins.input", lambda _="": next(answers))
    assert run(["chat", "nano", "--temperature", "1", "--seed", "5"]) == 0
    assert [one.seed for one in api.session.drawn] == [6, 8]


def test_chat_asks_once_or_converses(api: Any, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["chat", "nano", "--prompt", "hi", "--system", "be brief", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"model": "nano", "prompt": "hi", "answer": "fine, thanks"}
    assert api.session.asked == [[{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]]
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    assert run(["chat", "nano"]) == 0
    assert capsys.readouterr().out == "fine, thanks\nfine, thanks\n"
    assert [message["content"] for message in api.session.asked[-1]] == ["one", "fine, thanks", "two"]


def test_a_conversation_has_no_json(api: Any, capsys: Capture) -> None:
    assert run(["chat", "nano", "--json"]) == 2
    assert "--json needs --prompt" in capsys.readouterr().err


def test_ctrl_c_ends_a_conversation_quietly(api: Any, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    assert run(["chat", "nano"]) == 0
    assert capsys.readouterr().err == ""


def test_runs_are_listed_shown_and_compared(api: Any, capsys: Capture) -> None:
    assert run(["runs"]) == 0
    assert "no runs in runs/ yet" in capsys.readouterr().out
    run(["tune", "tickets.jsonl", "--name", "first"])
    run(["tune", "tickets.jsonl", "--name", "second", "--set", "epochs=2"])
    capsys.readouterr()
    assert run(["runs"]) == 0
    listed = capsys.readouterr().out
    assert "first" in listed and "second" in listed and "done" in listed
    assert run(["runs", "show", "second"]) == 0
    assert "epochs: 2" in capsys.readouterr().out
    assert run(["runs", "diff", "first", "second", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] == {"recipe.epochs": [None, 2.0]}
    assert run(["runs", "list", "--json"]) == 0
    assert {one["name"] for one in json.loads(capsys.readouterr().out)["runs"]} == {"first", "second"}


def test_models_are_registered_promoted_and_rolled_back(api: Any, capsys: Capture) -> None:
    for name in ("first", "second"):
        run(["tune", "tickets.jsonl", "--name", name, "--set", f"seed={len(name)}"])
    assert run(["models", "register", "desk", "first"]) == 2
    assert "has no model yet" in capsys.readouterr().err
    for name in ("first", "second"):
        model = find_run(name).model
        model.mkdir()
        (model / "whet.json").write_text("{}")
        assert run(["models", "register", "desk", name]) == 0
    assert run(["models", "promote", "desk", "1"]) == 2
    assert "whet export desk@1 --to merged" in capsys.readouterr().err
    for version in "12":
        assert run(["models", "promote", "desk", version, "--force", "--why", "a test"]) == 0
    capsys.readouterr()
    assert run(["models", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert model["current"] == 2 and [v["run"] for v in model["versions"]] == ["first", "second"]
    assert run(["models", "rollback", "desk"]) == 0
    assert "desk@1 is live again; desk@2 is retired" in capsys.readouterr().out
    assert run(["models", "promote", "desk", "3"]) == 2
