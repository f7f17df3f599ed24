"""Which runs could go: those that nothing and nobody holds on to. Nothing is removed here (whet/store/removal.py)."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.errors import WhetError
from whet.store import model_registry
from whet.store.index import refuse_file_as_root
from whet.store.names import could_be, given_by_whet, stem_of
from whet.store.reading import optional_json
from whet.store.removal import size_of
from whet.store.run import Run

DAY = 86_400
GIVEN = "given"
"""Beside the runs: rows that a Python program gave (whet/data/read/in_memory.py)."""
NAMING = ("recipe*.yaml", "scaled_from.json")
"""Files of a run that name others: a teacher, a reward, the run whose model it is nearer to its base."""


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
    judged by people, held as a model, the best on its data, or named in the recipe of one that stays; one that can go
    on is only too old where days are given. Rows stay that are younger."""
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
    going = [run for run in going if run.name not in kept]
    stay = [run for run in runs if run.name in kept]

    going = _unnamed(going, stay, kept, model_registry.list_models(root))
    stay = [run for run in runs if run.name in kept]
    return Sorted(_oldest_first(going), kept, _loose_rows(Path(root), stay, days))


def sort_out_of(asked: Collection[str], held: dict[str, str], root: Path | str, days: float = 0.0) -> Sorted:
    """The same among these runs alone, which were registered as models: `held` says why some stay, a name that a person
    gave is no reason, and rows are left alone."""
    runs = [Run(path.parent) for path in sorted(Path(root).glob("*/run.json"))]
    kept: dict[str, str] = {}

    going: list[Run] = []
    for run in runs:
        if run.name in asked:
            why = held.get(run.name) or _why_kept(run, held, days, named_is_held=False)
            if why:
                kept[run.name] = why
            else:
                going.append(run)

    leaving = {run.name for run in going}
    stay = [run for run in runs if run.name not in leaving]
    going = _unnamed(going, stay, kept, model_registry.list_models(root))
    return Sorted(_oldest_first(going), kept, [])


def _oldest_first(going: Iterable[Run]) -> list[Going]:
    facts = [Going(run.name, run.status, _age(run), size_of(run.folder)) for run in going]
    return sorted(facts, key=lambda run: -run.days)


def _why_kept(run: Run, held: dict[str, str], days: float, named_is_held: bool = True) -> str:
    """Empty where nothing of the run alone speaks for it."""
    if run.lock.busy:
        return "at work"

    try:
        _, _, by_whet = run.recipe, run.status, given_by_whet(run)
    except WhetError:
        return "damaged: look at it, and remove it by name"

    if run.name in held:
        return held[run.name]
    if named_is_held and not by_whet:
        return "named by you"
    if any(run.folder.glob("judgements*.jsonl")):
        return "holds judgements of people"
    if _age(run) < days:
        return f"younger than {days:g} day{'s' * (days != 1)}"

    goes_on = not run.model.exists() and any(run.checkpoint(which).exists() for which in ("last", "older"))
    if goes_on and not days:
        return "not finished: the same command resumes it"
    return ""


def _held_as_models(root: Path | str) -> dict[str, str]:
    """Run -> the model that it is: one that is live or was (a way back), pinned, what its name stands for, or named by
    hand."""
    reasons: dict[str, str] = {}
    for model in model_registry.list_models(root):
        stands_for = model_registry.meant(model, root)
        for version in model.versions:
            name = f"{model.name}@{version.version}"
            if version.version == model.current:
                reasons[version.run] = f"live as {name}"
            elif model.trial and version.version == model.trial.version:
                reasons.setdefault(version.run, f"tried as {name}")
            elif version.pinned:
                reasons.setdefault(version.run, f"pinned as {name}")
            elif version.version in model.promoted:
                reasons.setdefault(version.run, f"was live as {name}")
            elif version.version == stands_for:
                reasons.setdefault(version.run, f"what {model.name} stands for: {name}")
            elif not _named_itself(Run(Path(root) / version.run), model.name, version.source):
                reasons.setdefault(version.run, f"named {name}")

    return reasons


def _named_itself(run: Run, model: str, source: str) -> bool:
    """Whether this may be the name under which a run registers itself; what is not there or damaged has no say."""
    try:
        stem = stem_of(run)
    except WhetError:
        return True
    if stem is None:
        return model == run.name
    return could_be(model, stem, source)


def _best(runs: Iterable[Run]) -> set[str]:
    """Of each data, base and metric: the run that gained most."""
    found: dict[tuple[Any, ...], tuple[float, str]] = {}
    for run in runs:
        try:
            evaluation = optional_json(run.folder / "evaluation.json", {})
            facts = run.read_json("run.json")
        except WhetError:
            continue

        gain = (evaluation.get("difference") or {}).get("estimate")
        if gain is not None:
            of = (facts.get("data_sha256"), evaluation.get("model"), (evaluation.get("metric") or {}).get("name"))
            found[of] = max(found.get(of, (float("-inf"), "")), (gain, run.name))

    return {name for _, name in found.values()}


def _unnamed(
    going: list[Run], stay: list[Run], kept: dict[str, str], models: Iterable[model_registry.NamedModel]
) -> list[Run]:
    """Without those that a run that stays names, by themselves or as a version of a model; these stay then, too."""
    waiting, models = list(stay), list(models)
    while waiting:
        keeper = waiting.pop()
        words, teacher = _words(keeper), _teacher(keeper)
        for run in [run for run in going if any(_stands_in(name, words) for name in _names(run, teacher, models))]:
            kept[run.name] = f"named in the recipe of {keeper.name}"
            going.remove(run)
            waiting.append(run)

    return going


def _words(run: Run) -> str:
    return "".join(path.read_text("utf-8", "replace") for form in NAMING for path in sorted(run.folder.glob(form)))


def _teacher(run: Run) -> str:
    try:
        return getattr(run.recipe.method, "teacher", "")
    except WhetError:
        return ""


def _stands_in(name: str, words: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", words) is not None


def _names(run: Run, teacher: str, models: Iterable[model_registry.NamedModel]) -> Iterator[str]:
    """What a recipe may call a run: itself, `tickets@1`, and as a teacher `tickets` where that ever stood for it."""
    yield run.name
    for model in models:
        for one in model.versions:
            if one.run == run.name:
                yield f"{model.name}@{one.version}"
                if model.name == teacher and (one.version in model.ever or one.is_good):
                    yield model.name


def _loose_rows(root: Path, stay: Iterable[Run], days: float) -> list[Path]:
    """Files of given rows that no run names which stays, and that are not younger than so many days."""
    named = "".join(path.read_text("utf-8", "replace") for run in stay for path in run.folder.glob("recipe*.yaml"))
    loose = [path for path in sorted((root / GIVEN).glob("rows-*.jsonl")) if path.name not in named]
    return [path for path in loose if (time.time() - path.stat().st_mtime) / DAY >= days]


def _age(run: Run) -> float:
    """Days since something in the run was written."""
    return (time.time() - max(path.stat().st_mtime for path in run.folder.iterdir())) / DAY
