"""Every function that docs/running/python.md names is there, with the arguments that it names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "running" / "python.md"
CALLS = re.findall(r"^\| `(whet\.[^`]+)` \|", PAGE.read_text("utf-8"), flags=re.MULTILINE)


def named(path: str) -> Any:
    """What stands at a dotted path, from `whet` on."""
    importlib.import_module("whet.api")
    found = importlib.import_module("whet")
    for part in path.split(".")[1:]:
        found = getattr(found, part)
    return found


def test_the_table_is_read() -> None:
    assert len(CALLS) >= 10


@pytest.mark.parametrize("written", CALLS)
def test_every_function_of_the_page_exists(written: str) -> None:
    call = ast.parse(written.replace(", ...", "").replace("**keys", "**{}"), mode="eval").body
    assert isinstance(call, ast.Call)
    function = named(ast.unparse(call.func))
    assert callable(function) and not inspect.ismodule(function)
    takes = inspect.signature(function).parameters
    named_arguments = {keyword.arg for keyword in call.keywords if keyword.arg}
    assert named_arguments <= set(takes), f"{written} takes {sorted(takes)}"
