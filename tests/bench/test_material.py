"""The rows that all sides read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.side_start import import_seconds

ROOT = Path(__file__).parents[2]


def test_a_step_holds_rows_of_similar_length_and_no_row_is_lost() -> None:
    from bench.material import in_steps

    lengths = [5, 90, 7, 80, 6, 85, 8, 95]
    order = in_steps(lengths, 4)
    assert sorted(order) == list(range(8))
    assert {frozenset(lengths[i] for i in order[cut : cut + 4]) for cut in (0, 4)} == {
        frozenset({5, 6, 7, 8}),
        frozenset({80, 85, 90, 95}),
    }


@pytest.fixture
def material(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    import bench.material

    monkeypatch.setattr(bench.material, "DATA", data_dir)
    return bench.material


def test_gpt2_reads_text_as_gpt2_does(material) -> None:
    """Ids of the published GPT-2 vocabulary; the control tokens follow after its 50,257."""
    tokenizer = material.gpt2_tokenizer()
    assert tokenizer.encode("Hello world") == [15496, 995]
    assert tokenizer.encode("<|im_start|>") == [50257] and tokenizer.encode("<|im_end|>") == [50258]
    assert len(tokenizer) == 50259


def test_a_pair_is_a_right_and_a_wrong_answer_to_one_question(material) -> None:
    rows = material.preference_rows(40)
    assert len({str(row) for row in rows}) == 40
    for row in rows:
        answers = [re.findall(r"A: *(.*)", row[side][0]["content"])[-1:] for side in ("chosen", "rejected")]
        assert answers[0] != answers[1], row["prompt"]


def test_imports_inside_imports_are_not_counted_twice() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       100 |        100 |   inner\n"
        "import time:       200 |        300 | outer\n"
        "import time:        50 |         50 | other\n"
    )
    assert import_seconds(text) == pytest.approx(350e-6)


def test_make_has_the_benchmark() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^bench: \S+\n\t\$\(BIN\)/python -m bench\.run ", makefile, re.MULTILINE)
