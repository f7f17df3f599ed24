"""An evaluation with passages: what is found, supported and refused, in the result, in words and on the page."""

from __future__ import annotations

from whet.data.retrieval.documents import Passage
from whet.data.retrieval.raft import RowWithPassages
from whet.evaluation.retrieval.measure import measure_retrieved
from whet.recipe.sections.retrieval import Retrieval
from whet.reports.sections.further.beside import reference_view
from whet.types import Row

TEXT = "The harbour opens at nine."


def shown(oracle: bool | None, answerable: bool) -> RowWithPassages:
    row = Row(0, "q:1", [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "nine"}])
    return RowWithPassages(row, row, [Passage("a#1", TEXT, "a")], oracle, answerable)


def test_found_counts_rows_that_have_a_passage_and_refusals_where_it_is_missing() -> None:
    rows = [shown(True, True), shown(False, True), shown(False, False), shown(None, False)]
    answers = {"base": ["nine", "ten", "at ten", "nine"], "tuned": ["nine", "No idea", "no idea", "ten"]}
    settings = Retrieval(documents="a", refusal="no idea")
    facts = measure_retrieved(rows, answers, settings, None)
    assert facts["found"]["mean"] == 0.5 and facts["found"]["rows"] == 2
    assert facts["base"]["supported"]["mean"] == 0.5 and facts["tuned"]["supported"]["mean"] == 0.5
    assert facts["tuned"]["refusal_where_absent"]["mean"] == 1 and facts["tuned"]["refusal_where_absent"]["rows"] == 2
    assert facts["tuned"]["refusal_where_present"]["mean"] == 0 and facts["base"]["refused"] == 0
    for words in ("found the row's passage for 50.0%", "tuned model refuses 100.0%", "passages hold the answer"):
        assert words in facts["statement"]
    view = reference_view({"retrieval": facts})
    assert view and [tile[1] for tile in view["tiles"]] == ["50.0%", "50.0%", "100.0%", "0.0%"]


def test_what_no_row_can_tell_is_said_so() -> None:
    facts = measure_retrieved([shown(None, False)], {"base": [""], "tuned": [""]}, Retrieval(documents="a"), None)
    assert facts["found"] is None and facts["statement"] == ""
    view = reference_view({"retrieval": facts})
    assert view and all(tile[1] == "-" for tile in view["tiles"])
