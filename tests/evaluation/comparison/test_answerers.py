"""Answers of arms: a transcript that resumes, and a model at a URL with its own counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chat_server import Server, said, serving
from whet.errors import InputError
from whet.evaluation.comparison.answerers import RemoteAnswerer
from whet.evaluation.prompts import FittedPrompts
from whet.evaluation.transcript import Transcript, key_of
from whet.recipe.sections.compare import RemoteModel
from whet.types import Completion

server = pytest.fixture(serving)


def prompts(*questions: str) -> FittedPrompts:
    messages = [[{"role": "user", "content": text}] for text in questions]
    return FittedPrompts("", messages, [[]] * len(questions), [], 0, 0, 0, 0.0)


def settings(server: Server, **more: object) -> RemoteModel:
    return RemoteModel(model="big", url=server.url, retries=0, **more)  # type: ignore[arg-type]


def by_question(server: Server) -> None:
    """Each question is answered with itself in capitals, whatever the order of the requests."""

    def reply(number: int) -> tuple[int, object]:
        body = server.asked[number][2]
        value = said(body["messages"][-1]["content"].upper())
        return 200, value | {"usage": {"prompt_tokens": 11, "completion_tokens": 2}}

    server.reply = reply


def test_answers_come_in_the_order_of_the_prompts_with_the_servers_counts(server: Server, tmp_path: Path) -> None:
    by_question(server)
    transcript, counted = Transcript(tmp_path / "answers.jsonl"), []
    asked = prompts(*"abcdefgh")
    told = RemoteAnswerer(settings(server))("big", asked, 9, transcript, counted.append)
    assert [one.text for one in told] == list("ABCDEFGH") and counted[-1] == 8
    assert {(one.prompt_tokens, one.answer_tokens, one.estimated) for one in told} == {(11, 2, False)}
    assert all(body["max_tokens"] == 9 and body["temperature"] == 0 for _, _, body in server.asked)


def test_a_killed_comparison_asks_only_for_what_is_missing(server: Server, tmp_path: Path) -> None:
    by_question(server)
    path = tmp_path / "answers.jsonl"
    ask = RemoteAnswerer(settings(server))
    ask("big", prompts("a", "b"), 9, Transcript(path), lambda number: None)
    with path.open("ab") as file:
        file.write(b'{"arm": "big", "key": "torn')
    again = ask("big", prompts("a", "b", "c"), 9, Transcript(path), lambda number: None)
    assert [one.text for one in again] == ["A", "B", "C"] and len(server.asked) == 3
    assert len(path.read_text("utf-8").splitlines()) == 3


def test_what_was_answered_before_an_error_is_kept(server: Server, tmp_path: Path) -> None:
    server.reply = lambda number: (200, said("yes")) if number < 2 else (400, {"error": "no"})
    path = tmp_path / "answers.jsonl"
    with pytest.raises(InputError, match="400"):
        RemoteAnswerer(settings(server, concurrency=1))(
            "big", prompts(*"abcd"), 9, Transcript(path), lambda number: None
        )
    assert len(path.read_text("utf-8").splitlines()) == 2


def test_tokens_that_nobody_counted_are_an_upper_bound_and_say_so(server: Server, tmp_path: Path) -> None:
    (told,) = RemoteAnswerer(settings(server))(
        "big", prompts("abc"), 9, Transcript(tmp_path / "a"), lambda number: None
    )
    assert told.estimated and told.prompt_tokens >= 3 and told.answer_tokens == 9


def test_the_key_of_an_answer_changes_with_all_it_depends_on() -> None:
    keys = {key_of("w", [1, 2], 5), key_of("v", [1, 2], 5), key_of("w", [1, 3], 5), key_of("w", [1, 2], 6)}
    assert len(keys) == 4 and key_of("w", [1, 2], 5) in keys


def test_the_api_key_is_in_no_file(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret-123")
    RemoteAnswerer(settings(server, key="MY_KEY"))(
        "big", prompts("a"), 9, Transcript(tmp_path / "a"), lambda number: None
    )
    assert server.asked[0][1]["Authorization"] == "Bearer secret-123"
    assert "secret" not in (tmp_path / "a").read_text("utf-8")


def test_lines_of_another_form_are_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"key": "k", "text": "old"}) + "\n", "utf-8")
    transcript = Transcript(path)
    assert "k" not in transcript
    transcript.add("a", {"k": Completion("new", True, prompt_tokens=1, answer_tokens=1, seconds=0.5)})
    assert Transcript(path)["k"].text == "new"
