"""Which runs could go: those that nothing and nobody holds on to. Nothing is removed here (whet/store/removal.py)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.errors import WhetError
from whet.store import registry
from whet.store.removal import size_of
from whet.store.run import Run, refuse_file_as_root

DAY = 86_400
BY_ITSELF = re.compile(r"(.+)-[0-9a-f]{8}(-0\.\d+)?$")
"""Names that Whet gives: the data and a hash; with a share, where a learning curve was drawn."""
GIVEN = "given"
"""Beside the runs: rows that a Python program gave (whet/data/held_rows.py)."""


@dataclass(frozen=True, slots=True)
class Going:
    """A run that could go. `bytes` are those of its folder."""

    name: str
    status: str
    days: float
    """Since anything in it was written."""
    bytes: int


@dataclass(frozen=True, slots=True)
class Sorted:
    """`kept`: run -> why it stays. `given`: files of rows that would be left without a run."""

    going: list[Going]
    kept: dict[str, str]
    given: list[Path]


def sort_out(root: Path | str, days: float = 0.0) -> Sorted:
    """What could go, oldest first. A run stays that is at work, damaged, younger than so many days, named by a person,
    in use as a model or was, the best on its data, or named in the recipe of one that stays."""
    refuse_file_as_root(root)
    runs = [Run(path.parent) for path in sorted(Path(root).glob("*/run.json"))]
    held = _held_as_models(root)
    kept: dict[str, str] = {}
    going: list[Run] = []
    for run in runs:
        why = _why_kept(run, held, days)
        if why:
            kept[run.name] = why
        else:
            going.append(run)
    best = _best(runs)
    kept |= {run.name: "the best on its data" for run in going if run.name in best}
    going = _unnamed([run for run in going if run.name not in kept], [run for run in runs if run.name in kept], kept)
    stay = [run for run in runs if run.name in kept]
    found = [Going(run.name, run.status, _age(run), size_of(run.folder)) for run in going]
    return Sorted(sorted(found, key=lambda one: -one.days), kept, _loose_rows(Path(root), stay))


def _why_kept(run: Run, held: dict[str, str], days: float) -> str:
    """Empty where nothing of the run alone speaks for it."""
    if run.lock.busy:
        return "at work"
    try:
        _ = run.recipe, run.status
    except WhetError:
        return "damaged: look at it, and remove it by name"
    if run.name in held:
        return held[run.name]
    if not BY_ITSELF.match(run.name):
        return "named by you"
    return f"younger than {days:g} day{'s' * (days != 1)}" if _age(run) < days else ""


def _held_as_models(root: Path | str) -> dict[str, str]:
    """Run -> the model that it is: one that is in use or was (a way back), or was named by hand."""
    found: dict[str, str] = {}
    for model in registry.list_models(root):
        for one in model.versions:
            name, itself = f"{model.name}@{one.version}", BY_ITSELF.match(one.run)
            if one.version == model.current:
                found[one.run] = f"in use as {name}"
            elif one.version in model.promoted:
                found.setdefault(one.run, f"was in use as {name}")
            elif itself and itself[1] not in model.name:
                found.setdefault(one.run, f"named {name}")
    return found


def _best(runs: Iterable[Run]) -> set[str]:
    """Of each data, base and metric: the run that gained most."""
    found: dict[tuple[Any, ...], tuple[float, str]] = {}
    for run in runs:
        try:
            evaluation = run.read_json("evaluation.json") if (run.folder / "evaluation.json").exists() else {}
            facts = run.read_json("run.json")
        except WhetError:
            continue
        gain = (evaluation.get("difference") or {}).get("estimate")
        if gain is not None:
            of = (facts.get("data_sha256"), evaluation.get("model"), (evaluation.get("metric") or {}).get("name"))
            found[of] = max(found.get(of, (float("-inf"), "")), (gain, run.name))
    return {name for _, name in found.values()}


def _unnamed(going: list[Run], stay: list[Run], kept: dict[str, str]) -> list[Run]:
    """Without those that a recipe of a run that stays names, as a teacher or a reward; these stay then, too."""
    waiting = list(stay)
    while waiting:
        keeper = waiting.pop()
        words = "".join(path.read_text("utf-8", "replace") for path in sorted(keeper.folder.glob("recipe*.yaml")))
        for run in [run for run in going if re.search(rf"(?<![\w.-]){re.escape(run.name)}(?![\w.-])", words)]:
            kept[run.name] = f"named in the recipe of {keeper.name}"
            going.remove(run)
            waiting.append(run)
    return going


def _loose_rows(root: Path, stay: Iterable[Run]) -> list[Path]:
    """Files of given rows that no run names which stays."""
    named = "".join(path.read_text("utf-8", "replace") for run in stay for path in run.folder.glob("recipe*.yaml"))
    return [path for path in sorted((root / GIVEN).glob("rows-*.jsonl")) if path.name not in named]


def _age(run: Run) -> float:
    """Days since something in the run was written."""
    return (time.time() - max(path.stat().st_mtime for path in run.folder.iterdir())) / DAY
