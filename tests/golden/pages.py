"""Group c: the pages that people read, byte by byte, made of runs whose answers are made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.golden.masked import without_places
from tests.golden.places import find, of_tests


def make(folder: Path) -> Iterator[tuple[str, Any]]:
    import whet

    made_up = {
        "report": of_tests("made_up_run").write_run(folder / "run"),
        "report-short": of_tests("made_up_run").write_run(folder / "short", rows=12, steps=3),
        "report-worse": of_tests("made_up_run").write_run(folder / "worse", base_skill=0.7, tuned_skill=0.3),
        "classes": of_tests("made_up_classes").write_classes_run(folder / "classes"),
        "many-classes": of_tests("made_up_classes").write_classes_run(folder / "many", 120, 6),
    }
    for name, run in made_up.items():
        page = find("write_report")(whet.Run(run))
        yield name, {"html": without_places(Path(page).read_text("utf-8"), folder)}
    page = of_tests("made_up_comparison").write(folder / "compare")
    yield "compare", {"html": without_places(page.read_text("utf-8"), folder)}
