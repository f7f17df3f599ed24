"""A Python function of the user's, named in the recipe as `file.py:function`.

    def reward(prompts, answers, rows):
        return [float(row["answer"] in answer) for answer, row in zip(answers, rows)]

`prompts` are lists of messages, `rows` the columns of the data as they are in the file, as dictionaries. None in the
place of a number abstains: the reward has nothing to say of that answer. Arrays of numpy and tensors are lists, too.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
from collections.abc import Callable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from whet.errors import RecipeError, RunError, nearest
from whet.recipe.schema import Function
from whet.recipe.trust import refuse_foreign_function
from whet.rewards.user_code import line_of, of_the_user, printing_aside, told
from whet.types import Message, Row

ARGUMENTS = ["prompts", "answers", "rows"]
METRIC_ARGUMENTS = ["answer", "reference", "row"]


class FunctionReward:
    def __init__(self, settings: Function) -> None:
        """Imports the file. Raises RecipeError for a file that cannot be imported, or a function of another form."""
        self.place = settings.function
        self.function = load_function(self.place, ARGUMENTS, "reward")

    def __call__(
        self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]
    ) -> list[float | None]:
        fields = [row.fields or {} for row in rows]
        try:
            with printing_aside():
                found = self.function(list(prompts), list(answers), fields)
        except BaseException as error:
            if not of_the_user(error):
                raise
            at = line_of(error, self.place.rpartition(":")[0])
            where = f"{at}, {self._first_that_fails(prompts, answers, rows)}"
            what = f"the reward {self.place} failed: {told(error)}"
            fix = "mend the function, and give the same command with --accept-changed: the run goes on where it stopped"
            raise RunError(what, where=where, fix=fix) from error

        return self._check(found, rows)

    def _first_that_fails(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> str:
        """The row that the function cannot score alone; the first of all where each is scored alone."""
        for prompt, answer, row in zip(prompts, answers, rows, strict=True):
            try:
                with printing_aside():
                    self.function([prompt], [answer], [row.fields or {}])
            except BaseException as error:
                if not of_the_user(error):
                    raise
                return f"{row.where}, answer {answer[:80]!r}"

        return f"{rows[0].where} and {len(rows) - 1} more at once"

    def _check(self, values: Any, rows: Sequence[Row]) -> list[float | None]:
        """As many finite numbers, or None, as there are rows. Raises RunError."""
        fix = "return a list with one finite number for each answer, or None to abstain"
        if hasattr(values, "tolist"):  # arrays of numpy, tensors, columns of pandas
            values = values.tolist()

        what = f"{self.place} must return {len(rows)} numbers"
        if not isinstance(values, list | tuple):
            raise RunError(what, value=values, fix=fix)
        if len(values) != len(rows):
            raise RunError(what, value=f"{len(values)} of them", fix=fix)

        numbers: list[float | None] = []
        for value, row in zip(values, rows, strict=True):
            if value is not None:
                value = number(value, self.place, row.where, fix)
            numbers.append(value)
        return numbers


def number(value: Any, place: str, where: str, fix: str) -> float:
    """What a function of the user's returned, a number of numpy's, or an array or a tensor of one number, too. Raises
    RunError where it is not finite."""
    try:
        if not isinstance(value, Real) and hasattr(value, "item"):
            value = value.item()
        if isinstance(value, Real) and math.isfinite(value):
            return float(value)
    except (OverflowError, ValueError, RuntimeError, TypeError):  # larger than any float; an array of several numbers
        pass

    if value is None:
        value = "None"
    raise RunError(f"{place} returned no number", where=where, value=value, fix=fix)


def load_metric(place: str) -> Callable[..., Any]:
    """A metric of the user's (whet/evaluation/metrics/user_function.py). Raises RecipeError as load_function does."""
    return load_function(place, METRIC_ARGUMENTS, "metric")


def load_function(place: str, arguments: Sequence[str], role: str) -> Callable[..., Any]:
    """The function that `file.py:name` names. `role` says in messages what it is. Raises RecipeError for a file that
    is not there or cannot be imported, and for a function that does not take these arguments; InputError for one that a
    run from elsewhere brings."""
    file, _, name = place.rpartition(":")
    path = Path(file)
    if not path.is_file():
        siblings = [other.name for other in path.parent.glob("*.py")]
        what = f"there is no such file{nearest(path.name, siblings)}"
        raise RecipeError(what, where=place, fix="put it beside the recipe; paths start there")

    refuse_foreign_function(file)
    spec = importlib.util.spec_from_file_location(f"whet_{role}_{path.stem}", path)
    assert spec is not None and spec.loader is not None, "a file that ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)

    try:
        with printing_aside():
            spec.loader.exec_module(module)
    except BaseException as error:
        if not of_the_user(error):
            raise

        what = f"the file of the {role} cannot be imported: {told(error)}"
        raise RecipeError(what, where=f"{place}, {line_of(error, file)}", fix="mend it; try it with python") from error

    function = getattr(module, name, None)
    if not callable(function):
        own = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        what = f"the file has no function {name!r}{nearest(name, own)}"
        raise RecipeError(what, where=place, fix=f"define it: def {name}({', '.join(arguments)}): ...")

    _refuse_other_form(function, place, name, arguments, role)
    return function


def _refuse_other_form(
    function: Callable[..., Any], place: str, name: str, arguments: Sequence[str], role: str
) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        what, fix = f"the {role} is async, and nothing awaits it", "write it as a plain function: def, not async def"
        raise RecipeError(what, where=place, fix=fix)
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError) as error:
        fix = f"write it as: def {name}({', '.join(arguments)}): ..."
        raise RecipeError(f"the {role} takes three arguments: {error}", where=place, fix=fix) from error
