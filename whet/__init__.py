"""Whet sharpens a model on your data, and proves that it is sharper.

    import whet
    result = whet.tune("tickets.jsonl")
    print(result["verdict"]["sentence"])

The verbs live in whet.api; they are imported on first use, so that `import whet` stays light.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

VERBS = ("tune", "train", "evaluate", "prepare_view", "chat", "load_recipe", "Recipe", "Run")
HOMES = {"load_recipe": "whet.recipe.load", "Recipe": "whet.recipe.schema", "Run": "whet.store.run"}

__all__ = ["__version__", *VERBS]


def __getattr__(name: str) -> Any:
    if name not in VERBS:
        raise AttributeError(f"module 'whet' has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES.get(name, "whet.api")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
