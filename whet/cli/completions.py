"""What a shell may complete beside verbs and options: runs, models, keys of the recipe. Nothing that takes its time is
imported: the shell waits for every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from whet.errors import WhetError


def run_names(context: typer.Context, incomplete: str) -> list[str]:
    """Runs in the folder of runs, newest first."""
    folders = [path.parent for path in _folder(context).glob("*/run.json")]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    return [folder.name for folder in folders if folder.name.startswith(incomplete)]


def model_names(context: typer.Context, incomplete: str) -> list[str]:
    """Named models; none where their list cannot be read: a shell is no place for its error."""
    from whet.store.model_registry import list_models

    try:
        return [model.name for model in list_models(_folder(context)) if model.name.startswith(incomplete)]
    except (WhetError, OSError, ValueError, KeyError):
        return []


def talkers(context: typer.Context, incomplete: str) -> list[str]:
    """What `whet chat` takes: named models, the bundled base, runs."""
    names = [*model_names(context, incomplete), *run_names(context, incomplete)]
    return [*dict.fromkeys([*names, *(["nano"] if "nano".startswith(incomplete) else [])])]


def recipe_keys(incomplete: str) -> Iterator[str]:
    """Keys for --set, with the sign that their value follows."""
    from whet.recipe.explain import all_keys

    return (f"{key}=" for key, _ in all_keys() if key.startswith(incomplete))


def _folder(context: typer.Context) -> Path:
    return Path(context.params.get("runs") or "runs")
