"""The judge of pairs against a server of our own: orders, ties, the transcript, resuming, bias, and a whole run."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import Server, said, serving
from whet import api
from whet.errors import InputError, RecipeError, RunError
from whet.evaluation.judges.language_model import combine_orders, judge_pairs, position_bias
from whet.recipe.load import load_recipe
from whet.recipe.sections.judges import PairJudge

server = pytest.fixture(serving)
RUBRIC = "It is polite."


def lines(count: int = 4) -> list[dict[str, Any]]:
    made = [
        {"row": n, "where": f"r:{n}", "prompt": f"Ask {n}", "base": f"No {n}.", "tuned": f"Yes, please {n}."}
        for n in range(count)
    ]
    return made


def polite(body: dict[str, Any]) -> str:
    """The letter of the answer that says please."""
    text = body["messages"][0]["content"]
    return "A" if "please" in text.split("\n====\n")[1] else "B"


def answering(server: Server, choose: Any) -> None:
    server.reply = lambda number: (200, said(choose(server.asked[number][2])))


def judged(server: Server, folder: Path, given: list[dict[str, Any]], **keys: Any) -> tuple[dict[str, Any], list[str]]:
    wanted = PairJudge(url=server.url, model="a-judge", rubric=RUBRIC, retries=0, **keys)
    facts, picks = judge_pairs(given, wanted, folder / "pairs.jsonl", ["nano"], lambda done, total: None)
    return facts, list(picks)


def test_each_pair_is_asked_in_both_orders_and_the_better_one_wins_both(server: Server, tmp_path: Path) -> None:
    answering(server, polite)
    facts, picks = judged(server, tmp_path, lines())
    assert picks == ["tuned"] * 4 and facts["wins"] == 4 and len(server.asked) == 8
    asked = [body["messages"][0]["content"] for _, _, body in server.asked]
    assert all(RUBRIC in text and "Ask" in text for text in asked)
    assert sum(text.split("\n====\n")[1].strip().startswith("No") for text in asked) == 4
    assert facts["position"]["consistent"] == facts["position"]["pairs"] == 4


def test_a_judge_that_always_takes_the_first_says_nothing_but_ties(server: Server, tmp_path: Path) -> None:
    answering(server, lambda body: "A")
    facts, picks = judged(server, tmp_path, lines(8))
    assert picks == ["tie"] * 8 and facts["rate"] == 0.5
    assert facts["position"]["first"] == 8 and facts["position"]["p"] == pytest.approx(1 / 2**8)
    assert "leans to one position" in facts["statement"]


def test_outcomes_of_all_nine_pairs_of_verdicts() -> None:
    table = {
        first + second: combine_orders([first, second]) for first in ("A", "B", "TIE") for second in ("A", "B", "TIE")
    }
    assert table == {"AB": "base", "BA": "tuned", "TIETIE": "tie"} | dict.fromkeys(
        ("AA", "BB", "ATIE", "BTIE", "TIEA", "TIEB"), "tie"
    )
    assert position_bias([["A", "B"], ["TIE", "TIE"], ["B", "A"], ["A", "TIE"]])["consistent"] == 3


def test_the_same_words_are_a_tie_that_nobody_is_asked_about(server: Server, tmp_path: Path) -> None:
    answering(server, polite)
    given = lines(2)
    given[0]["base"] = given[0]["tuned"] + " "
    assert judged(server, tmp_path, given)[1] == ["tie", "tuned"] and len(server.asked) == 2


@pytest.mark.parametrize("words", ["A", " b.", "**A**", "Answer B", "TIE", "tie.", "[A]"])
def test_a_verdict_may_be_dressed_up(server: Server, tmp_path: Path, words: str) -> None:
    answering(server, lambda body: words)
    judged(server, tmp_path, lines(1))
    assert len(server.asked) == 2


def test_a_judge_without_a_verdict_stops_the_run_and_what_came_before_is_kept(server: Server, tmp_path: Path) -> None:
    def reply(number: int) -> tuple[int, Any]:
        """Three verdicts, and then, once one of them is kept, something else."""
        if number < 3:
            return 200, said("A")
        end = time.monotonic() + 60
        while not (tmp_path / "pairs.jsonl").exists() and time.monotonic() < end:
            time.sleep(0.01)
        return 200, said("Both are nice.")

    server.reply = reply
    with pytest.raises(RunError, match="neither A, B nor TIE"):
        judged(server, tmp_path, lines(8))
    kept = (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()
    before = len(server.asked)
    assert 0 < len(kept) <= 3
    answering(server, polite)
    judged(server, tmp_path, lines(8))
    assert len(server.asked) - before == 16 - len(kept)
    judged(server, tmp_path, lines(8))
    assert len(server.asked) - before == 16 - len(kept), "all is known now"


def test_the_transcript_is_plain_and_holds_no_key(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "sk-1234567")
    answering(server, polite)
    judged(server, tmp_path, lines(1), key="SECRET_OF_MINE")
    text = (tmp_path / "pairs.jsonl").read_text("utf-8")
    assert server.asked[0][1]["Authorization"] == "Bearer sk-1234567" and "sk-1234567" not in text
    found = [json.loads(line) for line in text.splitlines()]
    assert {tuple(line["order"]) for line in found} == {("base", "tuned"), ("tuned", "base")}
    assert all(line["row"] == 0 and line["said"] in "AB" and line["judge"] == "a-judge" for line in found)


def test_a_torn_last_line_is_asked_again(server: Server, tmp_path: Path) -> None:
    answering(server, polite)
    judged(server, tmp_path, lines(1))
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert judged(server, tmp_path, lines(1))[1] == ["tuned"] and len(server.asked) == 3
    assert len(path.read_text("utf-8").splitlines()) == 2


@pytest.mark.parametrize("method", ["classify", "reward", "pretrain"])
def test_methods_that_write_nothing_have_nothing_to_judge(method: str) -> None:
    judge = {"url": "http://x/v1", "model": "m", "rubric": RUBRIC}
    with pytest.raises(RecipeError, match=f"{method} writes none"):
        load_recipe({"data": "x.jsonl", "method": method, "evaluate": {"judge": judge}})


def rows(folder: Path) -> Path:
    made = [{"prompt": f"Say the word for {n}.", "completion": "thanks, please"} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    return folder / "rows.jsonl"


KEYS: dict[str, Any] = {
    "steps": 30,
    "split.near_duplicates": "false",
    "split.test": 12,
    "evaluate.forgetting": "false",
}


def test_a_run_is_judged_and_a_relative_is_warned_of(server: Server, tmp_path: Path) -> None:
    answering(server, polite)
    judge = {"url": server.url, "model": "nano-judge", "rubric": RUBRIC}
    result = api.tune(rows(tmp_path), run_root=tmp_path / "runs", **KEYS, **{"evaluate.judge": json.dumps(judge)})
    found = result["judge"]
    assert found["wins"] > 8 and found["low"] > 0.5 and found["by"] == "nano-judge"
    assert "same family as nano" in found["warning"] and found["agreement"]["rows"] == 0
    page = re.sub("<[^>]+>", "", Path(result["report"]).read_text("utf-8")).replace("&#39;", "'")
    assert found["statement"] in page and found["warning"] in page
    asked = len(server.asked)
    assert api.evaluate(result["run"], run_root=tmp_path / "runs", anew=True)["judge"]["wins"] == found["wins"]
    assert len(server.asked) == asked, "the transcript answers for the judge"


def test_a_key_that_is_not_set_is_told_before_training(server: Server, tmp_path: Path) -> None:
    judge = {"url": server.url, "model": "m", "rubric": RUBRIC, "key": "NOT_SET_ANYWHERE"}
    with pytest.raises(InputError, match="NOT_SET_ANYWHERE"):
        api.tune(rows(tmp_path), run_root=tmp_path / "runs", **{"evaluate.judge": json.dumps(judge)})
