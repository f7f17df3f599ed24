"""Sections are found, ordered and drawn without a list that names them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from whet.reports import report
from whet.reports.section import Section
from whet.reports.section_list import in_order, in_terminal, on_page, templates

REPORTS = Path(report.__file__).parent


def made(**after: str) -> list[Section]:
    return [Section(key=key, view=dict, after=other) for key, other in after.items()]


def keys(sections: list[Section]) -> list[str]:
    return [section.key for section in in_order(sections, lambda section: section.after)]


def test_a_new_section_stands_at_once_behind_the_one_that_it_names() -> None:
    old = made(answer="", cost="answer", pairs="cost", recipe="pairs")
    assert keys(old) == ["answer", "cost", "pairs", "recipe"]
    for name in ("energy", "zeal"):
        assert keys([*old, *made(**{name: "cost"})]) == ["answer", "cost", name, "pairs", "recipe"]
        assert keys([*made(**{name: "recipe"}), *old]) == ["answer", "cost", "pairs", "recipe", name]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ([*made(one=""), *made(one="")], "same key"),
        (made(one="", two="three"), "follow none that is there: two"),
        (made(one="", two="three", three="two"), "follow none that is there: three, two"),
    ],
    ids=["twice", "unknown", "in a circle"],
)
def test_an_order_that_is_none_is_refused(sections: list[Section], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        keys(sections)


@pytest.mark.parametrize("section", on_page(), ids=lambda section: section.key)
def test_every_section_has_its_template_with_its_anchor_beside_it(section: Section) -> None:
    text = (REPORTS / templates()[section]).read_text("utf-8")
    assert section.title == "" or f'<section id="{section.key}"' in text
    assert text.count("</section>") >= 1


def test_every_template_beside_the_sections_belongs_to_one() -> None:
    beside = {str(path.relative_to(REPORTS)) for path in (REPORTS / "sections").rglob("*.j2")}
    assert beside == set(templates().values())


def test_the_answer_comes_last_in_the_terminal_and_first_on_the_page() -> None:
    assert [section.key for section in on_page() if not section.title][-1] == "answer"
    assert [section.key for section in in_terminal()][-2:] == ["answer", "training"]


def test_what_a_terminal_says_needs_no_page_and_no_tensor() -> None:
    code = (
        "import sys; from whet.reports.section_list import in_terminal; assert len(in_terminal()) > 5;"
        "sys.exit(', '.join({'torch', 'transformers', 'numpy', 'jinja2'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"it loads {done.stderr.strip()}"
