"""The report suggests a learning curve only where `whet curve` would draw one."""

from __future__ import annotations

from typing import Any

import pytest

from whet.errors import InputError
from whet.evaluation.studies.curve_runs import refuse_no_curve
from whet.recipe.schema import Bake, Classify, Distil, Dpo, Kto, Pretrain, Recipe, Sft
from whet.reports.sections.further.learning_curve import curve_view

METHODS = [Sft(), Dpo(), Kto(), Classify(), Bake(prompt="p.txt"), Pretrain(), Distil(teacher="nano")]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.kind)
def test_a_curve_is_suggested_where_one_can_be_drawn(method: Any) -> None:
    told = curve_view({}, {"verdict": {"word": "better"}, "method": f"{method.kind} (lora)"})
    if told is None:
        with pytest.raises(InputError):
            refuse_no_curve(Recipe(data="rows.jsonl", method=method), rows=100)
    else:
        refuse_no_curve(Recipe(data="rows.jsonl", method=method), rows=100)
