"""What users read is plain: no word that only the authors know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

WHET = Path(__file__).parents[1] / "whet"
DIALECT = re.compile(r"\b(sealed|fates?|Tinker's)\b", re.IGNORECASE)
"""`sealed`: held out. `fate`: what became of a row. `Tinker's`: say what it is, and name the source in brackets."""
MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<[^>]*>", re.DOTALL)


def docstrings(tree: ast.AST) -> set[int]:
    """Strings that stand alone: what they say is for those who read the code."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def said(path: Path) -> Iterator[tuple[int, str]]:
    """Every text of several words that the code may show, with its line. Keys and names have no spaces."""
    if path.suffix == ".j2":
        yield from enumerate(MARKUP.sub(" ", path.read_text("utf-8")).splitlines(), start=1)
        return
    tree = ast.parse(path.read_text("utf-8"))
    silent = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            if " " in node.value.strip() or node.value[:1].isupper():
                yield node.lineno, node.value


SOURCES = [path for path in sorted(WHET.rglob("*")) if path.suffix in (".py", ".j2")]


def test_no_message_speaks_the_authors_dialect() -> None:
    assert len(SOURCES) > 300 and {path.suffix for path in SOURCES} == {".py", ".j2"}, "all are looked at"
    found = [
        f"{path.relative_to(WHET)}:{line}: {text}"
        for path in SOURCES
        for line, text in said(path)
        if DIALECT.search(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("text", ["Sealed: read once", "rows have no fate", "Tinker's rule for hidden size 8"])
def test_the_test_sees_such_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f'"""A sealed docstring is nobody\'s business."""\nMESSAGE = f"{text} {{1}}"\n')
    (tmp_path / "a.j2").write_text(f'<i class="fate-x">{{{{ fate.key }}}}</i> {text}\n')
    for name in ("a.py", "a.j2"):
        assert [found for _, found in said(tmp_path / name) if DIALECT.search(found)], name
