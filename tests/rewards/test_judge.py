"""The judge and its client, against a server of our own: what is sent, sent again, kept, and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import Reply, Server, said, serving
from whet.errors import InputError, RunError
from whet.generation.chat_client import ChatClient
from whet.recipe.schema import Judge
from whet.rewards.judge import JudgeReward
from whet.types import Row

server = pytest.fixture(serving)


def test_a_request_is_the_standards(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "abc")
    turn = {"role": "user", "content": "Hi \u2713"}
    assert ChatClient(server.url + "/", "m", "MY_KEY").chat([turn], 5) == "7"
    [(path, headers, body)] = server.asked
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer abc"
    assert body == {"model": "m", "messages": [turn], "max_tokens": 5, "temperature": 0.0}


def test_what_may_pass_is_tried_again_and_longer_each_time(server: Server) -> None:
    replies: list[Reply] = [(503, {}), (200, b"half a mess"), (429, {}), (200, said("ok"))]
    server.reply = lambda number: replies[number]
    waits: list[float] = []
    assert ChatClient(server.url, "m", sleep=waits.append).chat([], 1) == "ok"
    assert waits == [0.5, 1.0, 2.0]


def test_the_servers_own_wait_goes_first(server: Server) -> None:
    server.headers = {"Retry-After": "3"}
    server.reply = lambda number: (429, {}) if number == 0 else (200, said("ok"))
    waits: list[float] = []
    ChatClient(server.url, "m", sleep=waits.append).chat([], 1)
    assert waits == [3.0]


def test_a_refusal_is_not_tried_again(server: Server) -> None:
    server.reply = lambda number: (404, {"error": "no model m"})
    with pytest.raises(InputError, match=r"404 .*no model m"):
        ChatClient(server.url, "m").chat([], 1)
    assert len(server.asked) == 1


def test_a_server_that_stays_away_is_one_clear_error(server: Server) -> None:
    server.reply = lambda number: (500, {})
    with pytest.raises(RunError, match="after 3 tries"):
        ChatClient(server.url, "m", retries=2, sleep=lambda seconds: None).chat([], 1)
    assert len(server.asked) == 3
    with pytest.raises(RunError, match="cannot be reached, after 1 try"):
        ChatClient("http://127.0.0.1:1/v1", "m", retries=0).chat([], 1)


def test_an_answer_that_is_no_json_is_not_called_a_server_that_is_away(server: Server) -> None:
    server.reply = lambda number: (200, b"<html>")
    with pytest.raises(RunError, match="the server's answer is not JSON, after 1 try") as caught:
        ChatClient(server.url, "m", retries=0).chat([], 1)
    assert "/v1" in caught.value.fix


@pytest.mark.parametrize("value", [{}, {"choices": []}, said(None), []])  # type: ignore[arg-type]
def test_an_answer_in_another_form_is_refused(server: Server, value: Any) -> None:
    server.reply = lambda number: (200, value)
    with pytest.raises(RunError, match="holds no"):
        ChatClient(server.url, "m").chat([], 1)


def test_a_key_that_is_not_set_is_refused_before_anything_is_sent(server: Server) -> None:
    with pytest.raises(InputError, match="NOT_SET_HERE"):
        ChatClient(server.url, "m", "NOT_SET_HERE").chat([], 1)
    assert not server.asked


def judge(server: Server, cache: Path | None = None) -> JudgeReward:
    return JudgeReward(Judge(url=server.url, model="m", question="It is polite.", retries=0), cache)


PROMPT = [{"role": "user", "content": "Where is my parcel?"}]


def score(reward: JudgeReward, *answers: str) -> list[float]:
    return reward([PROMPT] * len(answers), list(answers), [Row(0, "a:1")] * len(answers))


def test_points_become_shares_and_each_question_is_asked_once(server: Server, tmp_path: Path) -> None:
    points = {"Gladly.": "10", "No.": " 2/10.", "Hm": "0"}
    server.reply = lambda number: (200, said(next(p for a, p in points.items() if a in text_of(server, number))))
    reward = judge(server, tmp_path / "judged" / "judge.json")
    assert score(reward, "Gladly.", "No.", "Hm", "No.") == [1.0, 0.2, 0.0, 0.2]
    assert len(server.asked) == 3
    asked = text_of(server, 0)
    assert "It is polite." in asked and "user: Where is my parcel?" in asked
    again = judge(server, tmp_path / "judged" / "judge.json")
    assert score(again, "Hm", "Gladly.") == [0.0, 1.0] and len(server.asked) == 3


def text_of(server: Server, number: int) -> str:
    return server.asked[number][2]["messages"][0]["content"]


def test_a_judge_without_a_number_is_asked_again_and_then_an_error(server: Server) -> None:
    server.reply = lambda number: (200, said("I like it." if number == 0 else "9"))
    assert score(judge(server), "Yes.") == [0.9]
    assert [body["temperature"] for _, _, body in server.asked] == [0.0, 1.0]
    server.reply = lambda number: (200, said("11"))
    with pytest.raises(RunError, match="no number from 0 to 10"):
        score(judge(server), "Other.")
