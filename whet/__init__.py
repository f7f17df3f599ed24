"""Whet sharpens a model on your data, and proves that it is sharper.

    import whet
    result = whet.tune("tickets.jsonl")
    print(result["verdict"]["sentence"])

Every verb of the command line is a function here (`evaluate` is `whet eval`). They are imported on first use, so that
`import whet` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whet import api, errors
    from whet.api import (
        chat,
        check,
        choose,
        collect,
        compare,
        curve,
        demo,
        evaluate,
        export,
        failures,
        flywheel,
        frontier,
        import_model,
        init,
        judge,
        models,
        monitor,
        plan,
        prepare_view,
        prove,
        rebase,
        retrain,
        runs,
        show,
        take,
        train,
        tune,
        watch,
    )
    from whet.recipe.load import load_recipe
    from whet.recipe.schema import Recipe
    from whet.store.run import Run

__version__ = "0.1.0"

HOMES = {
    "load_recipe": "whet.recipe.load",
    "Recipe": "whet.recipe.schema",
    "Run": "whet.store.run",
    "init": "whet.verbs.init",
    "judge": "whet.verbs.judge",
    "models": "whet.verbs.models",
    "runs": "whet.verbs.runs",
}
"""Where a name is that needs no torch; the others are in whet.api."""

MODULES = ("api", "errors")

__all__ = [
    "Recipe",
    "Run",
    "__version__",
    "api",
    "chat",
    "check",
    "choose",
    "collect",
    "compare",
    "curve",
    "demo",
    "errors",
    "evaluate",
    "export",
    "failures",
    "flywheel",
    "frontier",
    "import_model",
    "init",
    "judge",
    "load_recipe",
    "models",
    "monitor",
    "plan",
    "prepare_view",
    "prove",
    "rebase",
    "retrain",
    "runs",
    "show",
    "take",
    "train",
    "tune",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'whet' has no attribute {name!r}")
    if name in MODULES:
        return importlib.import_module(f"whet.{name}")
    found = getattr(importlib.import_module(HOMES.get(name, "whet.api")), name)

    if name == "load_recipe":
        from whet.recipe.keywords import in_python

        return in_python(found)

    return found


def __dir__() -> list[str]:
    return sorted(__all__)
