"""One workload compared: its rows as files, a normal run of them, and what its ways to answer came to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from whet.errors import InputError
from whet.evaluation.comparison.comparison import FOLDER
from whet.evaluation.comparison.comparison_facts import CompareFacts
from whet.observer import Observer
from whet.recipe.schema import Recipe
from whet.store.atomic import make_folder, sha256_text, write_text
from whet.store.reading import optional_json, read_lines
from whet.store.run import Run
from whet.verbs.inputs import recipe_of
from whet.verbs.studies.compare import compare
from whet.workloads.advice import WayFacts, way_facts
from whet.workloads.logged_rows import LoggedRow
from whet.workloads.task import Task

HOME = "flywheel"
"""Beside the runs: the rows of each workload, and of each a folder for each content."""
OURS = ("data", "test", "compare", "split.validation", "split.test")
"""Keys that the log decides."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of each workload's comparison."""

    base: str
    run_root: Path
    machine_usd_per_hour: float
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    ways: list[WayFacts]
    metric: str
    run: str
    caution: str
    """What the run itself says against its tuned model; empty where it says nothing."""


def refuse_keys(overrides: dict[str, Any]) -> None:
    """Raises InputError for a key that the log decides."""
    for key in overrides:
        if key in OURS or key.startswith("compare.") or key == "split":
            fix = "leave it out; whet compare takes it, with the rows that whet flywheel wrote"
            raise InputError("the log decides this key", where=key, value=overrides[key], fix=fix)


def recipe_for(task: Task, asked: Asked) -> Recipe:
    """The recipe of a workload, whose rows are written where they are not there yet: those to learn from and then
    those that choose in one file, those that judge in another."""
    learned = _lines([*task.split.train, *task.split.validation])
    judged = _lines(task.split.test)
    folder = asked.run_root / HOME / task.workload.id / sha256_text(learned + judged)[:8]
    make_folder(folder)
    data, test = folder / f"{task.workload.id}.jsonl", folder / "test.jsonl"
    for path, lines in ((data, learned), (test, judged)):
        if not path.exists():
            write_text(path, lines)

    source = {
        "data": str(data),
        "test": str(test),
        "base": asked.base,
        "split": {"validation": len(task.split.validation), "in_order": True},
        "compare": {"price_per_hour": asked.machine_usd_per_hour},
    }
    return recipe_of(source, asked.overrides, asked.run_root)


def compared(task: Task, asked: Asked, observer: Observer) -> Outcome:
    """The comparison of a workload: gone on with where it was stopped, taken as it is where it is done. Raises
    DataError where the base cannot learn from such rows."""
    recipe = recipe_for(task, asked)
    facts = _finished(recipe, asked.run_root)
    if facts is None:
        facts = cast("CompareFacts", compare(recipe, run_root=asked.run_root, observer=observer))
    return _outcome(facts, asked)


def _finished(recipe: Recipe, run_root: Path) -> CompareFacts | None:
    """What a finished comparison of all ways said; whoever asked the run for fewer of them since has it done again."""
    run = Run.create(run_root, recipe)
    path = run.folder / FOLDER / "compare.json"
    if run.status != "done" or not path.exists():
        return None
    facts: CompareFacts = optional_json(path, {})
    return facts if any(arm["trained"] for arm in facts["arms"]) else None


def _outcome(facts: CompareFacts, asked: Asked) -> Outcome:
    lines = read_lines(asked.run_root / facts["run"] / FOLDER / "side_by_side.jsonl")
    ways = []
    for arm in facts["arms"]:
        scores = [line["answers"][arm["name"]]["score"] for line in lines]
        ways.append(way_facts(arm, scores, len(facts["arms"]), asked.machine_usd_per_hour))

    ship, caution = facts["ship"], ""
    if ship is not None and ship["answer"] != "yes":
        caution = ship["sentence"]
    return Outcome(ways, facts["metric"]["name"], facts["run"], caution)


def _lines(rows: list[LoggedRow]) -> str:
    return "".join(json.dumps(row.written(), ensure_ascii=True) + "\n" for row in rows)
