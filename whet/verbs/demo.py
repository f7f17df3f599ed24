"""The whole story on the bundled base, offline: rows are made, a model is tuned on them, the gain is proved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whet.demo_data.support_desk import generate
from whet.errors import InputError
from whet.observer import Observer
from whet.recipe.keywords import in_python
from whet.store.atomic import write_text
from whet.store.run import DEFAULT_ROOT

if TYPE_CHECKING:
    from whet.reports.result import RunResult

FOLDER = Path("whet-demo")
ROWS, FEWEST = 1500, 30
KEEP = (
    "epochs=3",
    "learning_rate=0.0045",
    "keep.replay=base",
    "keep.ratio=0.3",
    "keep.every=1",
    "keep.kl=2",
    "forgetting.score=0.15",
)
"""So small a base would lose most of its skills to a task this hard; with its own words replayed it loses few. What it
may lose is said beforehand: fifteen points, which is why the rate may be half as high again as the rule's."""


@in_python
def demo(
    rows: int = ROWS,
    seed: int = 0,
    folder: Path | str = FOLDER,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    out: Path | str | None = None,
    **overrides: Any,
) -> RunResult:
    """Make data in `folder`, tune the bundled base on it, and prove that it got better. Needs no network.

    Another `seed` makes other data. Keys of the recipe are keywords, as for tune; `out` is another name of `run_root`.
    """
    from whet.verbs.tune import tune  # torch takes its time, and the command line shows the rows before

    path, _ = write_demo_rows(rows, seed, folder)
    keys: dict[str, Any] = {}
    for line in KEEP:
        key, _, value = line.partition("=")
        keys[key] = value

    return tune(path, run_root if out is None else out, observer=observer, **keys | overrides)


def write_demo_rows(rows: int, seed: int, folder: Path | str) -> tuple[Path, list[dict[str, Any]]]:
    """The file of rows, and the rows. Raises InputError for too few."""
    if rows < FEWEST:
        what = "these are too few rows to learn from and to measure on"
        raise InputError(what, where="--rows", value=rows, fix=f"take at least {FEWEST}")
    path, lines = Path(folder) / f"support-desk-{rows}-{seed}.jsonl", generate(rows, seed)
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
    return path, lines
