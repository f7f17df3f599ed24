"""Code that came with a run from elsewhere is not run before somebody has agreed.

A recipe that the user names himself may name code: a function of his, code that comes with a base, a server that gets
his key. So may the recipe that lies in a run's folder, and that folder may come from anywhere. What a stored recipe
names is run where the same content was named by the user before, on this machine (the file `trusted` in whet's folder
of settings holds a digest of each), where he agrees when he is asked, or with `--trust`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from whet.errors import InputError

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

Asker = Callable[[str], bool]
"""Puts a question to the user; True where he agrees."""
Place = tuple[str, str]
"""("function", its file), ("code", a base), ("key", variable and URL), ("encoder", URL)."""
ANY_BASE = ("code", "")
TASK_SUFFIXES = (".yaml", ".yml")


@dataclass(slots=True)
class _State:
    named: set[Place] = field(default_factory=set)
    """By the user, in this process."""
    stored: set[Place] = field(default_factory=set)
    """By recipes of runs that were opened."""
    agreed: bool = False
    ask: Asker | None = None


_state = _State()


def named_by_user(recipe: Recipe) -> None:
    """The user gave this recipe himself: what it names may run."""
    _state.named |= set(_places(recipe))


def found_in_run(recipe: Recipe) -> None:
    """This recipe lay in the folder of a run: what it names may have come with it."""
    _state.stored |= set(_places(recipe))
    if recipe.trust_remote_code:
        _state.stored.add(ANY_BASE)


def agree() -> None:
    """The user trusts what the runs bring that this process opens."""
    _state.agreed = True


def ask_with(ask: Asker | None) -> None:
    """How the user can be asked; None where nobody is there."""
    _state.ask = ask


def refuse_foreign_function(file: str) -> None:
    """Raises InputError for a file with a function, or a task of lm-eval, that a run from elsewhere names. A task may
    use the Python files beside it."""
    place = ("function", os.path.realpath(file))
    if place in _state.stored:
        if is_task_file(file):
            beside = sorted(Path(file).parent.glob("*.py"))
        else:
            beside = []
        _refuse(place, f"the code of {file}", b"".join(path.read_bytes() for path in [Path(file), *beside]))


def refuse_foreign_code(base: str) -> None:
    """Raises InputError for a base that brings code, where a run from elsewhere asks for it."""
    place = ("code", _base(base))
    if place in _state.stored or ANY_BASE in _state.stored:
        if Path(base).is_dir():
            files = sorted(Path(base).glob("*.py"))
        else:
            files = []
        _refuse(place, f"the code that comes with the base {base}", b"".join(file.read_bytes() for file in files))


def refuse_foreign_server(variable: str, url: str) -> None:
    """Raises InputError where a run from elsewhere would send the user's key somewhere."""
    place = ("key", f"{variable} {url}")
    if place in _state.stored:
        _refuse(place, f"a request to {url} with the key in {variable}", b"", "sends")


def refuse_foreign_encoder(url: str) -> None:
    """Raises InputError where a run from elsewhere would send the user's documents somewhere."""
    place = ("encoder", url)
    if place in _state.named | _state.stored:
        _refuse(place, f"your documents and questions to {url}", b"", "sends")


def _refuse(place: Place, what: str, content: bytes, does: str = "runs") -> None:
    digest = hashlib.sha256("\0".join((place[0], place[1] if not content else "")).encode() + content).hexdigest()
    if place in _state.named or _state.agreed:
        _remember(digest)
        return
    if digest in _remembered():
        return
    if _state.ask is not None and _state.ask(f"This run {does} {what}, which you have not used here before. Go on?"):
        _remember(digest)
        return

    fix = "look at it; if you trust where the run comes from: the same command with --trust"
    raise InputError(f"this run {does} {what}, which was not used on this machine before", fix=fix)


def _places(recipe: Recipe) -> Iterator[Place]:
    from whet.recipe.external import is_function  # with pydantic, for which `whet --help` has no time

    judges = [recipe.evaluate.judge, recipe.retrieval.judge if recipe.retrieval else None]
    encoder = recipe.retrieval.encoder_at if recipe.retrieval else None
    rewards = [*getattr(recipe.method, "rewards", []), *(recipe.evaluate.wins or [])]
    for asked in [*rewards, *judges, encoder, *recipe.compare.remote]:
        function, key = getattr(asked, "function", None), getattr(asked, "key", None)
        if function:
            yield "function", os.path.realpath(function.rpartition(":")[0])

        if key:
            yield "key", f"{key} {getattr(asked, 'url', '')}"

    if encoder:
        yield "encoder", encoder.url

    for task in recipe.forgetting.lm_eval:
        if is_task_file(task):
            yield "function", os.path.realpath(task)

    if is_function(recipe.evaluate.metric):
        yield "function", os.path.realpath(recipe.evaluate.metric.rpartition(":")[0])

    if recipe.trust_remote_code:
        for base in (recipe.base, getattr(recipe.method, "teacher", None)):
            if base:
                yield "code", _base(base)


def is_task_file(task: str) -> bool:
    """Whether a task of lm-eval is a file of the user's, and not a name that lm-eval knows."""
    return Path(task).suffix in TASK_SUFFIXES


def _base(name: str) -> str:
    if Path(name).is_dir():
        return os.path.realpath(name)
    return name


def _memory() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "whet" / "trusted"


def _remembered() -> set[str]:
    try:
        return set(_memory().read_text("utf-8").split())
    except (OSError, ValueError):
        return set()


def _remember(digest: str) -> None:
    if digest in _remembered():
        return
    with suppress(OSError):  # then the question comes again
        _memory().parent.mkdir(parents=True, exist_ok=True)
        with _memory().open("a", encoding="utf-8") as file:
            file.write(f"{digest}\n")
