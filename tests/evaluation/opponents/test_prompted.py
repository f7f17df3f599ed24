"""The base with a prompt: what it is told is read off training rows, and validation rows choose how."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from whet.errors import DataError
from whet.evaluation.opponents import prompted as module
from whet.evaluation.opponents.of_run import score_with
from whet.evaluation.opponents.phrasing import labels_of, phrasings
from whet.evaluation.opponents.prompted import PromptedOpponent
from whet.evaluation.opponents.setting import Setting, room
from whet.evaluation.opponents.training_answers import TrainingAnswers, count_answers
from whet.evaluation.prompts import Prompted
from whet.evaluation.transcript import AnswerMemory, Transcript
from whet.types import Completion, Message, Row


def rows_of(*answers: str) -> list[Row]:
    return [
        Row(n, f"row {n}", [{"role": "user", "content": f"text {n}"}, {"role": "assistant", "content": answer}])
        for n, answer in enumerate(answers)
    ]


def told(compared: str, *answers: str) -> list[str]:
    return [one.words for one in phrasings(count_answers(rows_of(*answers), compared, 0), compared)]


def test_labels_are_named_in_each_phrasing() -> None:
    found = told("accuracy", "ham", "ham", "spam")
    assert len(found) == 3 and all("ham, spam" in one for one in found)


def test_keys_values_and_the_form_of_json_are_told() -> None:
    (system, _) = told("json", *[json.dumps({"intent": "refund", "order": str(n)}) for n in range(20)])
    assert '"intent" (one of "refund")' in system and '"order" (such as "' in system
    assert json.loads(system.partition("An example of the form: ")[2])["intent"] == "refund"


def test_the_line_of_the_result_and_short_answers_are_told() -> None:
    assert all("#### 7" in one for one in told("final-answer", "so\n#### 7"))
    assert all("short as possible" in one and "BRCA1" in one for one in told("exact-match", "BRCA1", "FGFR3", "TP53"))
    assert "in about 20 words" in " ".join(told("rouge-l", *[" ".join(f"w{n}{k}" for k in range(20)) for n in "abc"]))


def test_too_many_labels_are_not_named() -> None:
    answers = [f"label {n}" for n in range(200)]
    seen = count_answers(rows_of(*answers), "accuracy", 0)
    assert labels_of(seen, "accuracy") == [] and len(phrasings(seen, "accuracy")) == 2
    assert labels_of(count_answers(rows_of("a", "b"), "rouge-l", 0), "rouge-l") == []


def test_an_instruction_stands_after_the_rows_own() -> None:
    row = Row(0, "r", [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "{question} ok"}])
    found = Prompted("Say yes.", "Q: {question}!").messages(row, [])
    assert [m["content"] for m in found] == ["Be kind.\n\nSay yes.", "Q: {question} ok!"]
    assert row.messages[1]["content"] == "{question} ok"


def test_an_opponent_gets_the_room_of_the_tuned_model_as_far_as_there_is_any() -> None:
    assert room(None, 64, 900) == 64 and room(None, 300, 900) == 300 and room(20, 300, 900) == 20
    assert room(None, 64, 30) == 30 and room(None, 64, -5) == 1


def test_rows_whose_prompt_would_not_fit_are_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = setting(tmp_path, monkeypatch, lambda text: "ham")
    made.rows[1] = Row(1, "long", [{"role": "user", "content": "x" * 5000}, {"role": "assistant", "content": "spam"}])
    monkeypatch.setattr(module, "read_answers", lambda side, asked, names, done: np.zeros((len(asked), len(names))))
    ready = PromptedOpponent(made, 1e9, 5)
    one = ready.opponent(ready.choose(), [0, 1, 2, 3])
    assert one.places == [0, 2, 3] and "1 row whose prompt would not fit left out" in one.detail
    with pytest.raises(DataError, match="no room"):
        ready.opponent(ready.choose(), [1])


class Stub:
    """A renderer whose tokens are characters, for a base that knows only one phrasing."""

    def __init__(self, system: bool = True) -> None:
        self.system = system

    def prompt_text(self, messages: list[Message], tools: Any = None) -> str:
        return "".join(m["content"] for m in messages if self.system or m["role"] != "system")

    def prompt_ids(self, messages: list[Message], tools: Any = None) -> list[int]:
        return [ord(letter) for letter in self.prompt_text(messages)]

    def render(self, row: Row) -> Any:
        ids = [ord(letter) for letter in row.reference] + [0]
        return SimpleNamespace(ids=ids, weights=[1.0] * len(ids))


def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: Any, system: bool = True) -> Setting:
    rows = rows_of(*["ham", "spam"] * 10)
    base = SimpleNamespace(memory=AnswerMemory("base", Transcript(tmp_path / "asked.jsonl")))
    quiet = SimpleNamespace(phase=lambda *_: None, step=lambda *_: None)
    ledger = SimpleNamespace(summary=lambda: {"held_out": {"validation": 20}})
    prepared = SimpleNamespace(renderer=Stub(system), ledger=ledger)
    made = Setting(None, prepared, base, SimpleNamespace(context=4000), rows, "accuracy",  # type: ignore[arg-type]
                   score_with("accuracy", None), 64, quiet)  # type: ignore[arg-type]  # fmt: skip
    made.__dict__ |= {"seen": count_answers(rows, "accuracy", 0), "choosing": rows}
    texts = lambda prompts: ["".join(map(chr, ids)) for ids in prompts.tokens]  # noqa: E731
    made.ask = lambda what, prompts: [Completion(says(text), True, [1]) for text in texts(prompts)]  # type: ignore[method-assign]
    return made


def number(text: str) -> int:
    return int(text.partition("text ")[2].split()[0].rstrip("?."))


def test_validation_rows_choose_the_phrasing_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def says(text: str) -> str:
        return ("ham", "spam")[number(text) % 2] if text.startswith("Text:") else "I think it is fine"

    monkeypatch.setattr(module, "read_answers", lambda side, asked, names, done: np.zeros((len(asked), len(names))))
    made = PromptedOpponent(setting(tmp_path, monkeypatch, says), 1e9, 5)
    way = made.choose()
    assert way.by == "writing" and way.score == 1.0 and str(way.phrasing.template).startswith("Text:")
    assert made.opponent(way, [0, 1, 2]).scores == [1.0, 1.0, 1.0]


def test_likelihood_is_taken_where_the_base_rambles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(side: Any, asked: list[list[int]], names: list[list[int]], done: Any) -> np.ndarray:
        right = [number("".join(map(chr, ids))) % 2 for ids in asked]  # the longer label has the lower sum all the same
        return np.array([[-9.0, -10.0] if one == 0 else [-9.0, -9.5] for one in right])

    monkeypatch.setattr(module, "read_answers", read)
    made = PromptedOpponent(setting(tmp_path, monkeypatch, lambda text: "I think it is spam, but"), 1e9, 5)
    way = made.choose()
    assert way.by in ("likelihood", "likelihood a token") and way.score == 0.5
    first = (tmp_path / "asked.jsonl").read_bytes()
    made.choose()
    assert (tmp_path / "asked.jsonl").read_bytes() == first  # nothing is read twice


def test_a_template_without_system_prompts_gets_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = PromptedOpponent(setting(tmp_path, monkeypatch, lambda text: "ham", system=False), 1e9, 5)
    assert len(made.askable) == 2 and all(phrasing.system is None for phrasing, _ in made.askable)


def test_choosing_keeps_within_its_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = PromptedOpponent(setting(tmp_path, monkeypatch, lambda text: "ham"), 1.0, 5)
    assert len(made.rows) == module.FEWEST_CHOOSING == len(made.askable[0][1].tokens)


def test_without_answers_nothing_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = setting(tmp_path, monkeypatch, lambda text: "ham")
    made.__dict__["seen"] = TrainingAnswers()
    with pytest.raises(DataError, match="no training row has an answer"):
        PromptedOpponent(made, 1e9, 5)
