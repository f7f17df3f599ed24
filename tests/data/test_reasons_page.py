"""docs/data/formats.md names every reason for which a row is dropped, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = {"RowRefused": 0, "drop": 1}
"""Calls that give a reason, and the place of the reason among their arguments."""


def reasons_of_the_code() -> set[str]:
    found = set[str]()
    for file in (ROOT / "whet" / "data").rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            given = call.args[CODE[name] :][:1] if name in CODE else []
            found |= {node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found


def reasons_of_the_page() -> set[str]:
    page = (ROOT / "docs" / "data" / "formats.md").read_text("utf-8")
    section = page.partition("## What the model sees")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    rows += section.partition("Because of where it stands:")[2].partition("\n\n")[0].split("(not in")[:1]
    return set(re.findall(r"`([a-z-]+)`", " ".join(rows)))


def test_the_page_names_every_reason_for_which_a_row_is_dropped() -> None:
    reasons = reasons_of_the_code()
    assert {"no-stop", "same-answer", "duplicate-of-test"} <= reasons
    assert reasons_of_the_page() == reasons
