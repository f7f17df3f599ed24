"""Files that a recipe names and a run reads again: rewards, schemas, metrics, tasks of lm-eval.

Their content is part of the run. A run that is resumed with another one would be half of each, and nobody could say
which half its numbers come from.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from whet.recipe.external import is_function
from whet.recipe.schema import Recipe
from whet.recipe.sections.rewards import AnyReward, Function, JsonObject, LearnedReward
from whet.recipe.trust import TASK_SUFFIXES, is_task_file
from whet.store.atomic import sha256_file, sha256_text

TASK_FILES = re.compile(
    r"include:\s*['\"]?([^\s'\"]+)|!function\s+([\w.]+)\.\w+|['\"]?([^\s'\",\[\]{}]+\.\w{2,7})['\"]?"
)
"""In a task of lm-eval: what it includes, the module of its functions, and anything that may be a file of data."""


def named_files(recipe: Recipe) -> dict[str, str]:
    """The key that names a file, and sha256 over the content of that file and of those that it reads from its own
    folder; `gone` where there is no such file."""
    found = dict(_of_rewards("method.rewards", getattr(recipe.method, "rewards", None) or []))
    found |= _of_rewards("evaluate.wins", recipe.evaluate.wins or [])

    if is_function(recipe.evaluate.metric):
        found["evaluate.metric"] = _content(_with_imports(_python(recipe.evaluate.metric)))

    for task in recipe.forgetting.lm_eval:
        if is_task_file(task):
            found[f"forgetting.lm_eval {Path(task).name}"] = _content(_with_includes(Path(task)))

    return found


def changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """The keys of `before` whose file is another one now."""
    return [key for key, digest in before.items() if now.get(key, digest) != digest]


def _of_rewards(key: str, rewards: Sequence[AnyReward]) -> Iterator[tuple[str, str]]:
    for number, reward in enumerate(rewards):
        if isinstance(reward, Function):
            yield f"{key}.{number}.function", _content(_with_imports(_python(reward.function)))
        elif isinstance(reward, JsonObject) and reward.schema_file:
            yield f"{key}.{number}.schema_file", _content([Path(reward.schema_file)])
        elif isinstance(reward, LearnedReward):
            folder = Path(reward.model)
            inner = folder / "model" / "whet.json"  # it names the checksums of the weights
            yield f"{key}.{number}.model", _content([inner if inner.is_file() else folder / "whet.json"])


def _python(place: str) -> Path:
    return Path(place.rpartition(":")[0])


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
