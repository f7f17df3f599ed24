"""A SQLite index over the run folders. The folders are the truth: the index can be deleted at any time.

A listing reads only the folders that changed since the last one.
"""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from whet.errors import RunFolderError, WhetError
from whet.store.run import DEFAULT_ROOT, Run

WATCHED = ("run.json", "status.json", "evaluation.json", "recipe.resolved.yaml")
VERSION = 1


@dataclass(slots=True)
class RunSummary:
    """One line of a listing. Scores are None before the evaluation."""

    name: str
    status: str
    created: str
    updated: str
    data: str
    base: str
    method: str
    metric: str | None = None
    base_score: float | None = None
    scale: float | None = None
    """Of scores outside 0..1: their range; None for shares."""
    tuned_score: float | None = None
    verdict: str | None = None
    problem: str | None = None
    """Why the folder could not be read, where it could not."""


COLUMNS = [field.name for field in fields(RunSummary)]


def list_runs(root: Path | str = DEFAULT_ROOT) -> list[RunSummary]:
    """All runs under `root`, newest first. A damaged run is listed with its problem, never hidden."""
    root = Path(root)
    refuse_file_as_root(root)

    if not root.is_dir():
        return []

    try:
        rows = refresh(root)
    except sqlite3.DatabaseError:  # damaged, or from another version: the folders rebuild it
        rows = rebuild(root)

    for row in rows:
        row.status = live_status(root / row.name, row.status)
    return sorted(rows, key=lambda row: (row.created, row.name), reverse=True)


def rebuild(root: Path | str) -> list[RunSummary]:
    """Drops the index and reads every run folder again."""
    (Path(root) / "index.sqlite").unlink(missing_ok=True)
    return refresh(Path(root))


def refresh(root: Path) -> list[RunSummary]:
    connection = connect(root)
    try:
        stored = dict(connection.execute("SELECT folder, stamp FROM stamps"))
        found = {path.parent.name: stamp(path.parent) for path in sorted(root.glob("*/run.json"))}
        for gone in stored.keys() - found.keys():
            connection.execute("DELETE FROM runs WHERE name = ?", (gone,))
            connection.execute("DELETE FROM stamps WHERE folder = ?", (gone,))

        for name, now in found.items():
            if stored.get(name) != now:
                put(connection, summarise(root / name), now)

        connection.commit()
        return [RunSummary(*row) for row in connection.execute(f"SELECT {', '.join(COLUMNS)} FROM runs")]
    finally:
        connection.close()


def connect(root: Path) -> sqlite3.Connection:
    """The index of `root`; one in memory where the folder can not be written."""
    if os.access(root, os.W_OK):
        place = str(root / "index.sqlite")
    else:
        place = ":memory:"

    connection = sqlite3.connect(place, timeout=10)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, VERSION):
            raise sqlite3.DatabaseError("an index of another version")

        connection.execute(f"CREATE TABLE IF NOT EXISTS runs ({', '.join(COLUMNS)}, PRIMARY KEY (name))")
        connection.execute("CREATE TABLE IF NOT EXISTS stamps (folder TEXT PRIMARY KEY, stamp TEXT)")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.close()
        raise

    return connection


def put(connection: sqlite3.Connection, row: RunSummary, now: str) -> None:
    marks = ", ".join("?" * len(COLUMNS))
    connection.execute(f"INSERT OR REPLACE INTO runs VALUES ({marks})", [getattr(row, name) for name in COLUMNS])
    connection.execute("INSERT OR REPLACE INTO stamps VALUES (?, ?)", (row.name, now))


def stamp(folder: Path) -> str:
    """Changes whenever one of the watched files does."""
    stamps: list[list[int] | None] = []
    for name in WATCHED:
        if (folder / name).exists():
            facts = (folder / name).stat()
            stamps.append([facts.st_mtime_ns, facts.st_size])
        else:
            stamps.append(None)
    return json.dumps(stamps)


def summarise(folder: Path) -> RunSummary:
    row = RunSummary(folder.name, "damaged", "", "", "", "", "")
    try:
        run = Run(folder)
        status, recipe = run.status_facts(), run.recipe
        row.created = str(run.read_json("run.json").get("created", ""))
        row.status, row.updated = str(status.get("status", "preparing")), str(status.get("updated", ""))

        if isinstance(recipe.data, str):
            row.data = recipe.data
        else:
            row.data = ", ".join(recipe.data)

        row.base, row.method = recipe.base, recipe.method.kind
        if (folder / "evaluation.json").exists():
            add_scores(row, run.read_json("evaluation.json"))
    except (WhetError, AttributeError, TypeError) as error:
        row.status, row.problem = "damaged", str(error).splitlines()[0]

    return row


def add_scores(row: RunSummary, evaluation: dict[str, Any]) -> None:
    row.metric = (evaluation.get("metric") or {}).get("name")
    row.scale = (evaluation.get("difference") or {}).get("scale")
    row.base_score = (evaluation.get("base") or {}).get("score")
    row.tuned_score = (evaluation.get("tuned") or {}).get("score")
    row.verdict = (evaluation.get("verdict") or {}).get("word")


def live_status(folder: Path, stored: str) -> str:
    """The status now: a run whose process died without saying so is `interrupted`."""
    if stored == "damaged":
        return stored
    return Run(folder).status


def refuse_file_as_root(root: Path | str) -> None:
    """A file where the folder of runs should be is a slip of the hand, not a folder without runs."""
    if Path(root).exists() and not Path(root).is_dir():
        raise RunFolderError("this is a file, not a folder of runs", where=str(root), fix="give a folder: --runs runs")
