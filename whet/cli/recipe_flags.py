"""The keys of a recipe that nearly every command sets, as flags of their own beside --set."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.errors import InputError

if TYPE_CHECKING:
    from whet.recipe.load import Override

FLAGS: dict[str, Any] = {
    "base": Annotated[
        str | None, typer.Option("--base", metavar="NAME", help="nano (bundled), a folder, or a name on the Hub.")
    ],
    "method": Annotated[
        str | None, typer.Option("--method", metavar="NAME", help="sft, dpo, ...; by default the rows say.")
    ],
    "epochs": Annotated[float | None, typer.Option("--epochs", metavar="N", help="Passes over the training rows.")],
    "learning_rate": Annotated[
        float | None, typer.Option("--learning-rate", metavar="RATE", help="Peak of the schedule.")
    ],
    "seed": Annotated[int | None, typer.Option("--seed", metavar="N", help="The same seed gives the same run.")],
}
"""Key of the recipe -> its option."""


def with_flags(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with these options, whose values join those of --set. It must have a parameter `set_`."""
    signature = inspect.signature(verb, eval_str=True)

    @functools.wraps(verb)
    def flagged(*args: Any, **given: Any) -> None:
        flags = {key: given.pop(key, None) for key in FLAGS}
        given["set_"] = joined(given.get("set_") or [], flags)
        verb(*args, **given)

    only = inspect.Parameter.KEYWORD_ONLY
    flags = [inspect.Parameter(key, only, default=None, annotation=kind) for key, kind in FLAGS.items()]
    own = [parameter.replace(kind=only) for parameter in signature.parameters.values()]
    place = next(number for number, parameter in enumerate(own) if parameter.name == "set_")
    parameters = [*own[:place], *flags, *own[place:]]
    flagged.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportAttributeAccessIssue]
    flagged.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": None}
    return flagged


def joined(set_: list[str], flags: dict[str, Any]) -> list[Override]:
    """What --set and the flags say, in the form that `load_recipe` takes. Raises InputError where both say a key."""
    given = {key: value for key, value in flags.items() if value is not None}
    for override in set_:
        key = override.partition("=")[0].strip().partition(".")[0]
        if key in given:
            what = f"{option(key)} and --set {override} say the same key"
            raise InputError(what, where=option(key), value=given[key], fix="leave one of them out")
    return [*set_, *((f"{key}={json.dumps(value, ensure_ascii=False)}", option(key)) for key, value in given.items())]


def option(key: str) -> str:
    return f"--{key.replace('_', '-')}"
