"""Files that a recipe names and a run reads again: rewards, schemas, metrics, tasks of lm-eval.

Their content is part of the run. A run that is resumed with another one would be half of each, and nobody could say
which half its numbers come from.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from whet.recipe.file_key import FileKey
from whet.recipe.files import NamedFile, files_of
from whet.recipe.schema import Recipe
from whet.recipe.trust import TASK_SUFFIXES, is_task_file
from whet.store.atomic import sha256_file, sha256_text

TASK_FILES = re.compile(
    r"include:\s*['\"]?([^\s'\"]+)|!function\s+([\w.]+)\.\w+|['\"]?([^\s'\",\[\]{}]+\.\w{2,7})['\"]?"
)
"""In a task of lm-eval: what it includes, the module of its functions, and anything that may be a file of data."""


def named_files(recipe: Recipe) -> dict[str, str]:
    """The key that names a file, and sha256 over the content of that file and of those that it reads from its own
    folder; `gone` where there is no such file."""
    digests: dict[str, str] = {}
    for file in sorted(files_of(recipe), key=_place):
        for name in file.names:
            files = _read_with(file.key, Path(name))
            if files:
                digests[_key_of(file, name)] = _content(files)
    return digests


def _place(file: NamedFile) -> int:
    """In the order in which run.json has always listed them: rewards, the metric, tasks."""
    groups = ("method.rewards.", "evaluate.wins.", "evaluate.metric", "forgetting.lm_eval")
    return next((place for place, group in enumerate(groups) if file.dotted.startswith(group)), len(groups))


def _key_of(file: NamedFile, name: str) -> str:
    if file.key.holds == "task":
        return f"{file.dotted} {Path(name).name}"
    return file.dotted


def _read_with(key: FileKey, path: Path) -> list[Path]:
    """The file and those that it reads from its own folder; none where a run does not read it again."""
    if key.holds == "code":
        return _with_imports(path)
    if key.holds == "schema":
        return [path]
    if key.holds == "task" and is_task_file(str(path)):
        return _with_includes(path)

    if key.holds == "model":  # whet.json names the checksums of the weights
        inner = path / "model" / "whet.json"
        return [inner if inner.is_file() else path / "whet.json"]
    return []


def changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """The keys of `before` whose file is another one now."""
    return [key for key, digest in before.items() if now.get(key, digest) != digest]


def _content(files: Sequence[Path]) -> str:
    """Bytes count, and names within the folder, not places."""
    try:
        return sha256_text("".join(f"{file.name} {sha256_file(file)}\n" for file in files))
    except OSError:
        return "gone"


def _reached(file: Path, named: Callable[[Path], Iterable[Path]]) -> list[Path]:
    """A file and all that it names, directly or not; itself first."""
    found: list[Path] = []
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.append(path)
            waiting += sorted(named(path))

    return [found[0], *sorted(found[1:])]


def _with_imports(file: Path) -> list[Path]:
    """A Python file and the modules beside it that it imports, directly or not."""
    return _reached(file, _modules_beside)


def _modules_beside(path: Path) -> list[Path]:
    return [beside for name in _imported(path) if (beside := path.parent / f"{name}.py").is_file()]


def _imported(path: Path) -> set[str]:
    try:
        tree: Any = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # the loader says so
        return set()

    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {(node.module or alias.name).partition(".")[0] for alias in node.names}

    return names


def _with_includes(file: Path) -> list[Path]:
    """A task of lm-eval, and the files beside it that it includes, calls or reads rows from."""

    def named(path: Path) -> Iterable[Path]:
        if path.suffix.lower() in TASK_SUFFIXES:
            return _included(path)
        if path.suffix == ".py":
            return _modules_beside(path)
        return []

    return _reached(file, named)


def _included(path: Path) -> set[Path]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return set()

    names = set()
    for include, module, other in TASK_FILES.findall(text):
        names.add(include or (f"{module.replace('.', '/')}.py" if module else other))
    places = set()
    for name in names:
        for base in (path.parent, Path()):
            places.add(base / name)

    return {place for place in places if place.is_file() and place != path}
