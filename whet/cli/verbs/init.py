"""`whet init`: writes a short, commented recipe that fits the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whet.cli.options import Json


def init(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A data file or folder, or a set on the Hub.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recipe; default: the data's name with .yaml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing recipe.")] = False,
    json_: Json = False,
) -> None:
    """Write a short, commented recipe that fits the data.

    Example: whet init tickets.jsonl
    """
    from whet.cli.render import Screen
    from whet.verbs.init import init as written

    result = written(data, out, force)
    screen = Screen(json_)
    screen.say(result.text)
    screen.say(f"Written to {result['recipe']}. Run it: whet tune {result['recipe']}")
    screen.finish(result)
