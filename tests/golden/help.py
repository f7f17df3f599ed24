"""Group e, its first half: the schema of a recipe, the help of every verb, and both pages of reference."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.golden.places import find


def make(folder: Path) -> Iterator[tuple[str, Any]]:
    yield "schema", schema()
    yield "help", dict(make_help())
    yield "reference", {"cli": find("cli page")(), "recipe": find("recipe page")()}
    yield "python", python()


def schema() -> dict[str, Any]:
    """What editors and programs read of a recipe."""
    import whet

    return whet.Recipe.model_json_schema()


def make_help() -> Iterator[tuple[str, str]]:
    """(command, what --help says of it)."""
    for words in verbs():
        yield " ".join(words) or "whet", shown(*words, "--help")


def verbs() -> list[tuple[str, ...]]:
    """The words of every command, and none for `whet` itself."""
    import typer

    found: list[tuple[str, ...]] = [()]
    app = find("app")
    whole = app if isinstance(app, typer.Typer) else app()
    pending: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(whole))]
    while pending:
        words, command = pending.pop()
        for name, child in getattr(command, "commands", {}).items():
            found.append((*words, name))
            pending.append(((*words, name), child))
    return sorted(found)


def shown(*words: str) -> str:
    """What a command writes on both channels, ends of lines without their blanks."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        find("command line")(list(words))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def python() -> dict[str, Any]:
    """What `import whet` offers, with the arguments of each verb."""
    import inspect

    import whet
    import whet.api

    verbs = {name: getattr(whet.api, name) for name in whet.api.__all__}
    arguments = {
        name: {one.name: repr(one.default) for one in inspect.signature(verb).parameters.values()}
        for name, verb in verbs.items()
    }
    return {"whet": sorted(whet.__all__), "verbs": arguments}
