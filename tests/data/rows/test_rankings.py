"""k ranked answers become their k(k - 1) / 2 pairs, which stay on one side of the split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import Maker
from tests.data.rows.test_preferences import ASKED, CHATML, recipe, spoken, whole
from whet.data.read.source import RawRow
from whet.data.rows.convert import RowRefused, detect, to_row
from whet.data.rows.rankings import as_pairs, count
from whet.errors import DataError

WORDS = ["Hello!", "Hi.", "What."]


def message(words: str) -> dict[str, str]:
    return {"role": "assistant", "content": words}


FORMS: dict[str, dict[str, Any]] = {
    "best first": {"prompt": "Hi?", "ranked": WORDS},
    "messages, best first": {"prompt": [ASKED], "ranked_responses": [[message(words)] for words in WORDS]},
    "scores": {"prompt": "Hi?", "responses": [WORDS[1], WORDS[2], WORDS[0]], "scores": [0.5, -1, 7]},
    "ranks": {"question": "Hi?", "answers": [WORDS[1], WORDS[2], WORDS[0]], "ranks": [2, 3, 1]},
    "scored objects": {  # UltraFeedback
        "instruction": "Hi?",
        "completions": [{"response": w, "overall_score": s} for w, s in zip(WORDS, (9.0, 7.5, 1.0), strict=True)],
    },
    "ranked objects": {  # Nectar
        "prompt": "\n\nHuman: Hi?\n\nAssistant: ",
        "answers": [{"answer": w, "rank": r, "model": "x"} for w, r in zip(reversed(WORDS), (3, 2, 1), strict=True)],
    },
}


def expand(value: dict[str, Any], **keys: Any) -> list[Any]:
    asked = recipe(**keys)
    shape = detect([value], asked)
    assert shape.kind == "ranking"
    raws = list(as_pairs([(4, "made-up.jsonl:5", value)], shape))
    assert len(raws) == count(value, shape) and [index for index, _, _ in raws] == list(range(len(raws)))
    return [to_row(RawRow(*raw), shape, asked) for raw in raws]  # type: ignore[arg-type]


@pytest.mark.parametrize("value", FORMS.values(), ids=FORMS)
def test_every_usual_form_gives_the_same_pairs(value: dict[str, Any]) -> None:
    rows = expand(value)
    pairs = [(row.messages[-1]["content"], row.rejected[-1]["content"]) for row in rows]
    assert sorted(pairs) == sorted([("Hello!", "Hi."), ("Hello!", "What."), ("Hi.", "What.")])
    assert all(spoken(row.prompt) == [("user", "Hi?")] and row.group == "made-up.jsonl:5" for row in rows)


def test_the_place_of_both_answers_stands_in_the_ledger() -> None:
    rows = expand(FORMS["scores"])
    assert [row.where for row in rows] == [
        "made-up.jsonl:5 (answer 3 over 1)",
        "made-up.jsonl:5 (answer 3 over 2)",
        "made-up.jsonl:5 (answer 1 over 2)",
    ]


def test_answers_that_are_equally_good_make_no_pair() -> None:
    rows = expand({"prompt": "Hi?", "answers": WORDS, "scores": [2, 1, 1]})
    assert [row.rejected[-1]["content"] for row in rows] == ["Hi.", "What."]


def test_a_list_of_answers_without_order_is_not_guessed_at() -> None:
    value = {"prompt": "Hi?", "answers": WORDS}
    with pytest.raises(DataError, match="cannot tell what to learn"):
        detect([value], recipe())
    assert len(expand(value, columns={"answers": "answers"})) == 3, "unless the recipe says that it is a ranking"
    scored = {"prompt": "Hi?", "drafts": WORDS, "stars": [1, 2, 3]}
    rows = expand(scored, columns={"answers": "drafts", "scores": "stars"})
    assert rows[0].messages[-1]["content"] == "What."


@pytest.mark.parametrize(
    "change",
    [
        {"answers": WORDS[:1]},
        {"answers": "Hello!"},
        {"scores": [1, 2]},
        {"scores": [1, 2, None]},
        {"scores": [1, 2, float("nan")]},
        {"scores": [2, 2, 2]},
        {"scores": None},
    ],
)
def test_what_is_no_ranking_is_one_refused_row(change: dict[str, Any]) -> None:
    asked, value = recipe(), {"prompt": "Hi?", "answers": WORDS, "scores": [3, 2, 1]}
    shape = detect([value], asked)
    raws = list(as_pairs([(0, "made-up.jsonl:1", value | change)], shape))
    assert len(raws) == 1
    with pytest.raises(RowRefused) as caught:
        to_row(RawRow(*raws[0]), shape, asked)  # type: ignore[arg-type]
    assert caught.value.code == "no-ranking" and caught.value.where == "made-up.jsonl:1"


def test_a_question_is_never_on_both_sides_of_the_split(make_tokenizer: Maker, tmp_path: Path) -> None:
    data: list[dict[str, Any]] = [
        {"prompt": f"What of {n} and {n * n}?", "ranked": [f"It is {n * 7}.", f"Maybe {n}.", f"No idea of {n}"]}
        for n in range(30)
    ]
    data[7]["ranked"] = ["alone"]
    for _ in range(2):  # made, then found in the cache
        prepared = whole(data, make_tokenizer(CHATML), tmp_path, drop_budget=0.1, split={"near_duplicates": False})
        ledger = prepared.ledger.summary()
        assert ledger["rows_in"] == 29 * 3 + 1 and ledger["dropped"] == {"no-ranking": 1}
        fates: dict[str, set[str | None]] = {}
        for row in range(ledger["rows_in"]):
            entry = prepared.ledger.entry(row)
            fates.setdefault(entry.where.split(" ")[0], set()).add(entry.fate)
        assert len(fates) == 30 and all(len(found) == 1 for found in fates.values())
        groups = [row.group for row in prepared.test_rows]
        assert len(groups) == ledger["held_out"]["test"] and len(set(groups)) == len(groups) / 3
