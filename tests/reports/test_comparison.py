"""The page of a comparison: the advice stands first, nothing of the data is markup, nothing is left unsaid."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from tests.reports.made_up_comparison import comparison, write
from whet.errors import RunFolderError
from whet.recipe.sections.compare import Compare
from whet.reports.comparison import caution, headline, notes, write_compare_report
from whet.reports.comparison import page as page_of


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("compare")).read_text("utf-8")


def test_the_advice_is_the_first_thing_to_read(page: str) -> None:
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("<main>")[1])).strip()
    assert words.startswith("Fine-tune ")
    assert words.index("fine-tune.") < words.index("arm") < words.index("How it was measured")


NO = {"answer": "no", "sentence": "No: it is better at its task, but over budget elsewhere: skills."}


def test_a_tuned_model_that_its_own_run_forbids_is_not_advised_in_green(page: str, tmp_path: Path) -> None:
    assert 'class="panel advice better"' in page
    facts, rows = comparison(300)
    assert facts["verdict"]["arm"] == "tuned" and caution(facts) is None
    (tmp_path / "compare.json").write_text(json.dumps(facts | {"ship": NO}), "utf-8")
    (tmp_path / "side_by_side.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    warned = write_compare_report(tmp_path).read_text("utf-8")
    assert 'class="panel advice undecided"' in warned
    said = "Of this tuned model the run itself says: No: it is better at its task, but over budget elsewhere: skills."
    assert said in warned and warned.index(said) < warned.index('class="sheet arms"')


def test_only_an_advised_tuned_model_has_a_caution() -> None:
    facts, _ = comparison(300)
    other = facts["verdict"] | {"arm": "few-shot"}
    assert caution(facts | {"ship": NO, "verdict": other}) is None
    until_then = facts["verdict"] | {"arm": None, "meanwhile": "tuned"}
    assert "the run itself says: No" in str(caution(facts | {"ship": NO, "verdict": until_then}))
    assert "was not measured: whet eval tickets-1a2b3c4d" in str(caution(facts | {"ship": None}))


def test_text_of_rows_is_escaped_and_the_page_holds_no_script(page: str) -> None:
    assert "<b>this</b>" not in page and "&lt;b&gt;this&lt;/b&gt;" in page
    assert "<script" not in page and "http://" not in page and "https://" not in page


def test_shortened_prompts_and_cut_answers_are_said(page: str) -> None:
    assert "7 of 300 prompts did not fit into the context and hold fewer examples than 4" in page
    assert "Answers cut off at 12 tokens: " in page


def test_the_page_proves_that_nothing_was_chosen_on_test_rows(page: str) -> None:
    page = re.sub(r"<[^>]+>", "", page)
    assert "2,400 rows were trained on, 300 chose, 300 judged. No row is in two of these parts" in page
    assert "checkpoint of step 120, chosen by its loss on validation rows" in page
    assert "4 examples were chosen on 100 validation rows" in page


def test_answers_are_held_against_their_passages(page: str) -> None:
    said = re.search(r"Retrieval, its answers against their passages: ([\d.]+)% of (\d+) have every", page)
    assert said and said[2] == "300"
    right = next(arm["score"] for arm in comparison(300)[0]["arms"] if arm["name"] == "retrieval")
    assert float(said[1]) == pytest.approx(100 * right, abs=0.06)  # the passage holds the right word and no other


def test_missing_prices_are_said() -> None:
    facts, _ = comparison(40, Compare())
    assert any("compared by tokens" in note for note in notes(facts))


def test_equal_scores_of_any_size_have_no_interval_and_a_page_all_the_same() -> None:
    facts, rows = comparison(40, Compare())
    for arm in facts["arms"]:
        arm |= {"score": 5.0, "low": None, "high": None}
    found = [row[1] for row in page_of(facts | {"scale": 0.0}, rows)["arms"].rows]
    assert {(cell.text, cell.note) for cell in found} == {("5", "no interval")}
    assert all(cell.span and math.isfinite(end) for cell in found for end in (cell.span.left, cell.span.width))


def test_rows_that_the_advised_arm_gets_wrong_come_first_and_are_named_by_file_and_line() -> None:
    facts, rows = comparison(300)
    cards = page_of(facts, rows)["cards"]
    wrong = {f"tickets.jsonl:{row['row'] + 1}" for row in rows if row["answers"]["tuned"]["score"] < 1}
    assert len(cards) == 12 and [card["row"] in wrong for card in cards] == [True] * 8 + [False] * 4


def test_undecided_and_hopeless_have_headlines_of_their_own() -> None:
    assert headline({"arm": None, "meanwhile": "tuned", "do": "fine-tune"}) == "The rows cannot tell"
    assert headline({"arm": None, "meanwhile": None, "do": None}) == "None of them works"
    assert headline({"arm": "tuned", "meanwhile": None, "do": "fine-tune"}) == "Fine-tune"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    facts = json.loads((tmp_path / "compare.json").read_text("utf-8"))
    del facts["arms"][0]["score"]
    (tmp_path / "compare.json").write_text(json.dumps(facts), "utf-8")
    with pytest.raises(RunFolderError, match="compare.json"):
        write_compare_report(tmp_path)
