"""What needs scores from 0 to 1 and cannot use a metric of the user's on another scale: told as early as it shows."""

from __future__ import annotations

from collections.abc import Sequence

from whet.errors import InputError
from whet.evaluation.metrics import scoring as metric
from whet.recipe.external import is_function
from whet.text.numbers import format_metric_name
from whet.types import Row


def refuse_outside_unit(name: str, scores: Sequence[float], why: str) -> None:
    """`why` says what cannot be done with such scores. Raises InputError."""
    wrong = next((value for value in scores if not 0 <= value <= 1), None)
    if wrong is not None:
        what, fix = f"{format_metric_name(name)} gives scores outside 0..1, and {why}", "let it return 0 to 1"
        raise InputError(what, where="evaluate.metric", value=wrong, fix=fix)


def refuse_other_scale(name: str, rows: Sequence[Row], why: str) -> None:
    """Before any answer is there: by what the rows' own answers would score. Raises InputError."""
    if is_function(name):
        answered = [row for row in rows if row.reference.strip()]
        refuse_outside_unit(name, [metric.score(name, row.reference.strip(), row).value for row in answered], why)
