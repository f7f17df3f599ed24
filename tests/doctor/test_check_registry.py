"""Every check has a page of its own with the same parts, and a file joins by itself."""

from __future__ import annotations

import pkgutil
import re

import pytest

from whet.doctor import checks
from whet.doctor.check import Check
from whet.doctor.check_registry import all_checks, by_code, explain
from whet.errors import InputError

SOURCE = re.compile(r"arXiv|doi\.org|https://|RFC \d|ISO/IEC \d")
PARTS = ("Why: ", "Example:", "Fix: ", "Sure: ")


def test_every_file_holds_one_check() -> None:
    modules = pkgutil.walk_packages(checks.__path__, f"{checks.__name__}.")
    files = [module.name.rpartition(".")[2] for module in modules if not module.ispkg]
    assert len(files) == len(by_code()) == len(all_checks()) >= 33
    assert sorted(code.replace("-", "_") for code in by_code()) == sorted(files), "a file is called as its code"
    assert all(isinstance(check, Check) for check in all_checks())


@pytest.mark.parametrize("code", list(by_code()))
def test_a_page_says_what_why_example_fix_and_how_sure(code: str) -> None:
    page = explain(code)
    places = [page.find(f"\n{part}") for part in PARTS]
    assert all(place > 0 for place in places) and places == sorted(places), f"{PARTS} in this order"
    assert SOURCE.search(page[places[0] : places[1]]), "the reason names its source"


def test_an_unknown_code_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="length-bias") as raised:
        explain("lenght-bias")
    assert raised.value.exit_code == 2


def test_nothing_is_left_over_from_one_examination_to_the_next() -> None:
    assert all(one is not other for one, other in zip(all_checks(), all_checks(), strict=True))
