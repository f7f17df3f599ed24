"""The doctor's look at uploaded rows, and at a job's rows with its recipe. Needs torch: done in a worker's child."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from whet.data.source import Source
from whet.errors import InputError, WhetError, count
from whet.observer import Silent
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.server.database.identifiers import storable
from whet.server.files.first_row import plain_places
from whet.verbs.check import check, refusal_of
from whet.verbs.inputs import read_data

LEAST_ROWS = 10
"""As OpenAI has it."""
MOST_FINDINGS, MOST_LINES = 50, 20
CODES = {
    "no-answer": "example_missing_assistant_message",
    "unknown-role": "unrecognized_role",
    "empty-text": "missing_content",
    "empty-answer": "missing_content",
    "wrong-type": "data_type",
    "missing-column": "message_missing_key",
    "too-long": "example_too_long",
}
"""Why a row cannot be used, in the words of OpenAI's own checker where it has one."""


@dataclass(slots=True)
class Refusal:
    """Why files cannot be used, as a job's `error`."""

    code: str
    message: str
    param: str | None = "training_file"

    def facts(self) -> dict[str, Any]:
        return {"code": self.code, "message": storable(self.message), "param": self.param}


@dataclass(slots=True)
class Examined:
    rows: int = 0
    kind: str = ""
    refusal: Refusal | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    power: str = ""
    dropped: dict[str, int] = field(default_factory=dict)


def examine(values: dict[str, Any], run_root: Path, columns: Iterable[str] = ()) -> Examined:
    """What is wrong with the rows of a recipe, with the lines. `columns` are those that a grader reads."""
    try:
        recipe = load_recipe(values)
        facts = check(recipe, run_root)
        source = read_data(recipe.model_copy(update={"drop_budget": 1.0}), run_root, Silent())
        if not recipe.asks_for_test:
            facts["refused"] = refusal_of(recipe, source, run_root, verdict=False)
    except WhetError as error:
        return Examined(refusal=_refused(error))

    examined = Examined(facts["rows"], facts["kind"], dropped=facts["ledger"]["dropped"])
    examined.findings = [_finding(finding, source) for finding in facts["findings"][:MOST_FINDINGS]]
    examined.power = facts["power"].get("sentence", "")
    examined.refusal = _few(facts["ledger"], recipe) or _missing_column(recipe, columns)
    if examined.refusal is None and facts["refused"]:
        examined.refusal = _not_used(facts, source)
    return examined


def summary_of(examined: Examined) -> str:
    """The doctor's findings in a line, for people."""
    if examined.refusal is not None:
        return examined.refusal.message
    text = f"{count(examined.rows, 'row')} ({examined.kind})"
    dropped = sum(examined.dropped.values())
    if dropped:
        text += f", {dropped} of them cannot be used"

    grave = [finding for finding in examined.findings if finding["severity"] != "info"]
    if not grave:
        return f"{text}; nothing wrong was found"
    more = f" (and {len(grave) - 1} more)" if len(grave) > 1 else ""
    return f"{text}; {grave[0]['message']}{more}"


def _few(ledger: dict[str, Any], recipe: Recipe) -> Refusal | None:
    """Counted as they were sent, whatever becomes of them; a test file of its own counts apart."""
    rows = ledger["rows_in"] - (ledger["held_out"]["test"] if recipe.test else 0)
    if rows >= LEAST_ROWS:
        return None
    what = f"Training file has {rows} example(s), but must have at least {LEAST_ROWS} examples"
    return Refusal("invalid_n_examples", what)


def _missing_column(recipe: Recipe, columns: Iterable[str]) -> Refusal | None:
    """A grader that reads what a row does not have would fail on it in the middle of the training."""
    wanted = [column for column in columns if column != "messages"]
    for key, name in (("training_file", recipe.data), ("validation_file", recipe.test)):
        if not wanted or not isinstance(name, str):
            continue
        with Path(name).open("rb") as file:
            for number, line in enumerate(file, start=1):
                row = json.loads(line) if line.strip() else dict.fromkeys(wanted)
                missing = [column for column in wanted if column not in row]
                if missing:
                    what = f"Line {number}: the grader reads item.{missing[0]}, and this row has no {missing[0]!r}"
                    return Refusal("missing_item_field", what, key)
    return None


def _not_used(facts: dict[str, Any], source: Source) -> Refusal:
    """What a tune would be refused for: the rows that cannot be used, line by line, or else the sentence."""
    places: list[str] = []
    params: set[str] = set()
    reason = ""
    for row in islice(_dropped(source), MOST_LINES):
        reason = reason or row["reason"]
        first = str(row["message"]).splitlines()[0] if row["message"] else row["where"]
        params.add(_param(row["where"]))
        places.append(plain_places(first))

    what = plain_places(facts["refused"]["what"])
    if not places or not what.startswith(str(sum(facts["ledger"]["dropped"].values()))):
        fix = facts["refused"]["fix"]
        return Refusal("invalid_file_format", f"{what} ({fix})" if fix else what)

    head = what.partition(":")[0]
    return Refusal(CODES.get(reason, "invalid_file_format"), f"{head}: {'; '.join(places)}", params.pop())


def _dropped(source: Source) -> Iterator[dict[str, Any]]:
    return (row for row in source.ledger.rows_jsonl() if row["fate"] == "dropped")


def _refused(error: WhetError) -> Refusal:
    text = plain_places(f"{error.where}: {error.what}" if error.where else error.what)
    text = text.replace("too few rows: ", "Too few rows: ")
    if error.value is not None:
        text += f" (got {str(error.value)[:120]!r})"
    if not isinstance(error, InputError):
        return Refusal("validation_failed", text, None)

    rows = re.search(r"too few rows: (\d+),", error.what)
    if rows:
        what = f"Training file has {rows[1]} example(s), but must have at least {LEAST_ROWS} examples"
        return Refusal("invalid_n_examples", what)
    return Refusal("invalid_file_format", f"{text} ({error.fix})" if error.fix else text, _param(error.where))


def _param(where: str) -> str:
    return "validation_file" if "validation.jsonl" in where else "training_file"


def _finding(finding: dict[str, Any], source: Source) -> dict[str, Any]:
    """With the lines of the file in the place of numbers of rows."""
    places = [source.ledger.entry(row).where for row in finding["rows"][:MOST_LINES] if row < len(source.ledger)]
    lines = [int(place.rpartition(":")[2]) for place in places if place.rpartition(":")[2].isdigit()]
    return {
        "code": finding["code"],
        "severity": finding["severity"],
        "message": plain_places(finding["message"]),
        "lines": lines,
        "count": finding["count"],
        "fix": plain_places(finding["fix"]),
    }
