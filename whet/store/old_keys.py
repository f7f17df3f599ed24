"""API keys that older versions of Whet kept in a run."""

from __future__ import annotations

from pathlib import Path

import yaml

from whet.errors import WhetError
from whet.recipe.secret_keys import TAKEN_OUT, keys_in, without_keys
from whet.recipe.yaml_text import Dumper, parse
from whet.store.atomic import write_text


def take_out_keys(path: Path) -> None:
    """Older versions of Whet kept an API key that stood in a recipe: there, and in the report beside it, a word stands
    for it from here on."""
    try:
        values, _ = parse(path.read_text("utf-8"), str(path))
    except (OSError, ValueError, WhetError):
        return  # whoever reads the recipe says what is wrong with it

    keys = keys_in(values)
    if not keys:
        return

    clean = yaml.dump(without_keys(values), Dumper=Dumper, sort_keys=False, allow_unicode=True)
    write_text(path, f"# an API key that stood here was taken out\n{clean}")

    report = path.with_name("report.html")
    if report.is_file():
        text = report.read_text("utf-8")
        for key in keys:
            text = text.replace(key, TAKEN_OUT)
        write_text(report, text)
