"""Small facts that do not depend on the machine, kept in tests/golden/expected: `python -m tests.golden.expected`.

Writes them anew. Do it where a change is meant, and read the difference in git before it is committed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.golden import help as texts
from tests.golden import names, refusals, statistics
from tests.golden.make import working_folder
from tests.golden.masked import masked
from tests.golden.stillness import ENVIRONMENT

FOLDER = Path(__file__).parent / "expected"
INPUTS = 8
DIGITS = 12
"""Of a statistic: what differs behind them is the machine's."""
RENEW = "if this change is meant: python -m tests.golden.expected, and read what git diff says of tests/golden/expected"


def facts(folder: Path) -> dict[str, Callable[[], Any]]:
    """What is kept, by the name of its file; `folder` is the working folder of the golden recipes."""
    return {
        "schema": texts.schema,
        "help": lambda: {name: digest(text) for name, text in dict(texts.make_help()).items()},
        "python": texts.python,
        "names": lambda: {part: hashes(found) for part, found in names.make(folder)},
        "refusals": lambda: {f"{one}, {other}": masked(said, folder) for one, other, said in all_refused(folder)},
        "statistics": lambda: {name: rounded(statistics.results(name, INPUTS)) for name in statistics.CALLS},
    }


def all_refused(folder: Path) -> list[tuple[str, str, str]]:
    """(feature, method, message) of each refusal of a recipe, and (verb, run, message) of a verb on a finished run."""
    found = [*refusals.of_features(), *refusals.of_studies(folder)]
    return [(one, other, said) for one, other, said in found if said and said != refusals.BEGINS]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hashes(found: dict[str, Any]) -> dict[str, str]:
    """Of each recipe: the run's name and the beginnings of both hashes."""
    return {name: f"{one['name']} {one['recipe'][:16]} {one['data'][:16]}" for name, one in found.items()}


def rounded(value: Any) -> Any:
    """Numbers to 12 digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value


def main() -> None:
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as place:
        folder = working_folder(Path(place).resolve() / "work")
        FOLDER.mkdir(exist_ok=True)
        for name, fact in facts(folder).items():
            text = json.dumps(fact(), ensure_ascii=False, separators=(",\n", ": "))
            (FOLDER / f"{name}.json").write_text(text + "\n", "utf-8")
            print(f"{len(text):9,} bytes  {name}", file=sys.stderr)
        os.chdir(FOLDER)


if __name__ == "__main__":
    main()
