"""From Python an error speaks of keywords; at the command line, of options."""

from __future__ import annotations

from typing import NoReturn

import pytest

from whet.errors import InputError
from whet.recipe.keywords import at_command_line, in_python, said


@pytest.mark.parametrize(
    ("typed", "in_code"),
    [
        ("as in: --set adapter.rank=8", "as in: adapter={'rank': 8}"),
        ("use --set evaluate.metric=VALUE", "use evaluate={'metric': VALUE}"),
        ("keep all: --set 'split={validation: 0, test: 0}'", "keep all: split={'validation': 0, 'test': 0}"),
        ("choose another --name, or leave it out", "choose another name=, or leave it out"),
        ("or go on (it is noted): --accept-changed", "or go on (it is noted): accept_changed=True"),
        ("a folder, for example --runs ~/whet-runs", "a folder, for example run_root='~/whet-runs'"),
        ("name it: --memory 16GB", "name it: memory='16GB'"),
        ("the same command with --trust", "the same command with whet.recipe.trust.agree()"),
        ("remove the run first: whet runs rm RUN --force", "remove the run first: whet runs rm RUN --force"),
        ("whet train with --set 'split={test: 0}'", "whet train with split={'test': 0}"),
        ("see: whet check DATA --fix OUT.jsonl", "see: whet check DATA --fix OUT.jsonl"),
        ("a word -- and a dash", "a word -- and a dash"),
    ],
)
def test_an_option_is_said_as_a_keyword(typed: str, in_code: str) -> None:
    assert said(typed) == in_code
    assert said(in_code) == in_code, "saying it twice changes nothing"


def test_a_place_that_is_an_option_is_that_keyword() -> None:
    assert said("--against", place=True) == "keyword against"
    assert said("--set adapter.rank", place=True) == "keyword adapter.rank"
    assert said("recipe.yaml:3", place=True) == "recipe.yaml:3"


def test_who_asked_decides() -> None:
    @in_python
    def verb() -> NoReturn:
        raise InputError("nothing would be compared", where="--against", value=["x"], fix="or choose another --name")

    with pytest.raises(InputError) as raised:
        verb()
    assert str(raised.value) == "keyword against: nothing would be compared (got ['x'])\n  fix: or choose another name="
    with at_command_line(), pytest.raises(InputError) as raised:
        verb()
    assert str(raised.value).startswith("--against: ") and "--name" in str(raised.value)
