"""What to do about an option that there is not: what it is called here, or that the command needs nothing for it."""

from __future__ import annotations

from whet.cli.recipe_flags import FLAGS, option
from whet.recipe.explain import all_keys
from whet.recipe.other_tools import OTHER_TOOLS, OTHERWISE

DATA = ("data", "dataset", "datasets", "train-file", "train-data", "input", "file")
OUT = ("output-dir", "output", "out", "run-dir", "save-dir")
NAMES = ("run-name", "experiment-name")


def way_out(name: str, verb: str, known: list[str]) -> str:
    """The fix for the unknown option `name` of a verb with the `known` options; empty where nothing is known of it."""
    word = name.lstrip("-").lower()
    key = word.replace("-", "_")

    if word in DATA:
        return f"data is named without an option: whet {verb} tickets.jsonl"
    if word in OUT and "--runs" in known:
        if "--out" in known:
            return "the folder of runs is --out FOLDER"
        return "the folder of runs is --runs FOLDER"
    if word in NAMES and "--name" in known:
        return "the name of the run is --name NAME"
    if word in ("resume", "resume-from-checkpoint", "continue"):
        return "give the same command again: a run that was stopped goes on"
    if word in ("force", "overwrite", "overwrite-output-dir"):
        return "remove the run first: whet runs rm RUN"
    if "--set" not in known:
        return ""
    if key in OTHERWISE:
        return OTHERWISE[key]

    full = OTHER_TOOLS.get(key) or OTHER_TOOLS.get(word) or _key(key)
    if not full:
        return ""
    if full in FLAGS and option(full) in known:
        return f"use {option(full)}"
    return f"use --set {full}=VALUE"


def _key(name: str) -> str:
    """The full name of a key of the recipe, given as it is or by its last part, where that is one key only."""
    names = [full for full, _ in all_keys() if name in (full, full.replace(".", "_"), full.rpartition(".")[2])]
    exact = [full for full in names if full == name]
    if exact or len(names) == 1:
        return (exact or names)[0]
    return ""
