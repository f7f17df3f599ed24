"""Which code made a cached file: a hash over a module and over every module that it imports, directly or not.

A list of files by hand goes stale with the next import, and then old results are read as new ones.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).parents[2]
"""The folder that holds the package."""


@cache
def source_key(*roots: str, within: tuple[str, ...], folder: Path = HERE) -> str:
    """sha256 over the source of the modules `roots` and of all that they import in `within` (packages or modules).

    Read from the import statements, also those inside functions; nothing is imported. Names and bytes count. Raises
    ValueError for a root that is not there.
    """
    digest = hashlib.sha256()
    for name, path in sorted(modules_of(roots, within, folder).items()):
        digest.update(f"{name} {len(path.read_bytes())}\0".encode())
        digest.update(path.read_bytes())

    return digest.hexdigest()


def modules_of(roots: tuple[str, ...], within: tuple[str, ...], folder: Path = HERE) -> dict[str, Path]:
    """The modules that count, by name."""
    found: dict[str, Path] = {}
    waiting = list(roots)

    for root in roots:
        if _file(root, folder) is None:
            raise ValueError(f"there is no module {root!r} in {folder}")

    while waiting:
        name = waiting.pop()
        path = _file(name, folder)
        if path is None or name in found or not any(name == one or name.startswith(f"{one}.") for one in within):
            continue

        found[name] = path
        waiting += _imports(path)
        waiting.append(name.rpartition(".")[0])  # importing a module runs the packages around it

    return found


def _file(name: str, folder: Path) -> Path | None:
    path = folder.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if name and candidate.is_file():
            return candidate
    return None


def _imports(path: Path) -> Iterator[str]:
    """Names that may be modules: of `from a.b import c` both a.b and a.b.c."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
