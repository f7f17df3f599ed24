"""What a job will take, before anything is spent: `whet plan` of its recipe. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.recipe.load import load_recipe
from whet.verbs.plan import plan


def estimate_of(recipe: dict[str, Any], run_root: Path) -> dict[str, Any]:
    """Seconds with their range, bytes of memory, steps; as this machine is. Raises InputError as a tune would."""
    facts = plan(load_recipe(recipe), run_root=run_root)
    time = facts["time"] or {}
    return {
        "seconds": facts["seconds"],
        "seconds_low": time.get("low"),
        "seconds_high": time.get("high"),
        "seconds_by_part": {key: value for key, value in time.items() if key not in ("total", "low", "high")},
        "memory_bytes": facts["memory"]["total"],
        "memory_available_bytes": facts["available"],
        "fits": facts["fits"],
        "steps": facts["settings"]["steps"],
        "trained_parameters": facts["trained"],
        "notes": facts["notes"],
    }
