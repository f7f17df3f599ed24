"""The golden set: what a change that means to change nothing must leave as it is.

    python -m tests.golden.make OUT                          all groups
    python -m tests.golden.make OUT --only help,refusals     some of them; `runs:sft` is one run
    python -m tests.golden.compare BEFORE AFTER

Weights are equal only where they are made on the same machine, with the same torch: make both sets on one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.golden.places import ROOT
from tests.golden.rows import write_data
from tests.golden.stillness import stand_still

GROUPS = ("help", "names", "refusals", "statistics", "verbs", "pages", "runs")
"""Each is the module of the same name here, whose `make` gives (name, facts)."""
RECIPES = Path(__file__).parent / "recipes"


def working_folder(folder: Path) -> Path:
    """`folder`, filled with the golden recipes and their data, and made the current one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_data(folder / "data")
    for recipe in RECIPES.glob("*.yaml"):
        shutil.copy(recipe, folder)
    os.chdir(folder)
    return folder


def make(out: Path, groups: list[str]) -> dict[str, float]:
    """Writes OUT/<group>/<name>.json; gives the seconds that each group took."""
    took = {}
    for asked in groups:
        group, _, one = asked.partition(":")
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="whet-golden-") as place:
            folder = working_folder(Path(place).resolve() / "work")
            for name, facts in made(group, folder, one):
                path = out / group / f"{name}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(facts, indent=1, ensure_ascii=False, default=told), "utf-8")
                print(f"  {time.monotonic() - began:6.1f} s  {group}/{name}", file=sys.stderr)
            os.chdir(out)
        took[asked] = round(time.monotonic() - began, 1)
    return took


def made(group: str, folder: Path, one: str) -> Iterator[tuple[str, Any]]:
    module = import_module(f"tests.golden.{group}")
    yield from module.make(folder, one) if one else module.make(folder)


def told(value: Any) -> Any:
    """What JSON does not know: numbers of numpy as they are."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"no golden fact may be of type {type(value).__name__}")


def machine() -> dict[str, Any]:
    """What weights depend on beside the code."""
    import torch

    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {"commit": commit, "torch": torch.__version__, "python": platform.python_version(),
            "processor": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads()}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default=",".join(GROUPS), help="groups, with commas")
    asked = parser.parse_args()
    groups = asked.only.split(",")
    unknown = [group for group in groups if group.partition(":")[0] not in GROUPS]
    if unknown:
        parser.error(f"there is no group {unknown}; there are {', '.join(GROUPS)}")
    out = asked.out.resolve()
    if out.is_relative_to(ROOT):
        parser.error(f"{out} is in the repository: write the set elsewhere")
    for group in groups:
        if ":" not in group:
            shutil.rmtree(out / group, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as settings:
        stand_still(Path(settings))
        took = make(out, groups)
    (out / "machine.json").write_text(json.dumps(machine() | {"seconds": took}, indent=1), "utf-8")
    print("\n".join(f"{seconds:7.1f} s  {group}" for group, seconds in took.items()))


if __name__ == "__main__":
    main()
