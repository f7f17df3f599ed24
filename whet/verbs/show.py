"""The first rows as the model will see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.data.prepare import prepared_of
from whet.data.render.inspect import first_rows, supervised_pieces
from whet.errors import InputError
from whet.observer import Silent
from whet.recipe.keywords import in_python
from whet.reports.result import ShowResult
from whet.store.run import DEFAULT_ROOT
from whet.verbs.inputs import Input, read_data, recipe_of


@in_python
def show(
    data: Input,
    rows: int = 3,
    run_root: Path | str = DEFAULT_ROOT,
    out: Path | str | None = None,
    **overrides: Any,
) -> ShowResult:
    """The first rows as the model will see them: pieces of (text, supervised), and the ledger. `out` is another name
    of `run_root`."""
    run_root = run_root if out is None else out
    recipe = recipe_of(data, overrides, run_root)
    if refused := recipe.method.why_not("show", recipe):
        raise InputError(refused.what, fix=refused.fix)

    source = prepared_of(read_data(recipe, run_root, Silent()))
    tokenizer = source.renderer.tokenizer
    shown = []
    for answer, segment in first_rows(source.segments, rows):
        row = {
            "where": source.ledger.entry(segment.row).where,
            "tokens": len(segment.ids),
            "supervised": segment.supervised,
            "pieces": supervised_pieces(segment, tokenizer),
        }
        if answer:
            row["answer"] = answer
        shown.append(row)

    facts = {"kind": source.shape.kind, "model": recipe.base, "rows": shown, "ledger": source.ledger.summary()}
    return ShowResult(facts | {"notes": source.notes})


prepare_view = show
"""The name that `show` had first."""
