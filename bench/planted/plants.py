"""Every planting function: each file of this folder that has PLANTS joins by itself."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from bench.planted.form import Plant

NOT_PLANTS = ("__main__", "plants")


def all_plants() -> dict[str, Plant]:
    """By the code of the check, in the order of the codes. Raises ValueError where a code stands twice."""
    found: dict[str, Plant] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name in NOT_PLANTS:
            continue
        for code, plant in getattr(import_module(f"bench.planted.{module.name}"), "PLANTS", {}).items():
            if code in found:
                raise ValueError(f"two planting functions for {code!r}")
            found[code] = plant
    return dict(sorted(found.items()))
