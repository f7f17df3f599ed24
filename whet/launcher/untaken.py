"""Keys of a recipe that a service cannot be asked to obey: refused by name before anything is sent.

What a user did not set is not asked for: there the service has its own way, and the run says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from whet.errors import InputError, RecipeError
from whet.launcher.whet_service import OBEYED
from whet.recipe.schema import Recipe
from whet.recipe.sections.keep import NOTHING

HERE = frozenset(
    "data test base format columns dialect join_labels system split max_tokens drop_budget goal compare "
    "trust_remote_code".split()
)
"""Groups and keys that are obeyed on this machine, whoever trains."""
MEASURED_HERE = frozenset({"metric", "max_new_tokens", "wins", "judge", "against"})
SENT = frozenset({"method.kind", "method.beta", "epochs", "batch_tokens", "learning_rate", "seed"})
KINDS = {"sft": "supervised", "dpo": "dpo"}
"""Methods, and what the API calls them."""
LARGEST_SEED = 2**31 - 1
SAID_BY_NOTHING = {
    "keep.replay": NOTHING,
    "evaluate.forgetting": False,
    "evaluate.temperature": 0.0,
    "evaluate.samples": 1,
    "method.loss": "sigmoid",
    "too_long": "drop",
}
"""Values that ask a service for nothing."""


def set_keys(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys that the user set, with their values; a list is one value."""
    for name in type(model).model_fields:
        if name not in model.model_fields_set:
            continue
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from set_keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def refuse_untaken(recipe: Recipe) -> None:
    """Before the data is read: what no service obeys. Raises RecipeError, naming every key."""
    obeyed = OBEYED if recipe.adapter.kind == "lora" else OBEYED - {"adapter"}
    _refuse_keys(recipe, "a service", obeyed)
    if recipe.seed > LARGEST_SEED:
        raise RecipeError(
            "a service takes seeds up to 2147483647", where="seed", value=recipe.seed, fix="a smaller one"
        )
    if recipe.epochs is not None and not float(recipe.epochs).is_integer():
        raise RecipeError("a service takes whole epochs", where="epochs", value=recipe.epochs, fix="round it")
    if recipe.goal is not None and recipe.goal.seconds_per_answer is not None:
        what = "the time of an answer is told of this machine, and the model is elsewhere"
        raise RecipeError(
            what, where="goal.seconds_per_answer", value=recipe.goal.seconds_per_answer, fix="leave it out"
        )
    if recipe.evaluate.metric in ("nll", "preference-accuracy", "mark-accuracy"):
        what = "this metric is of probabilities, which an API does not give"
        raise RecipeError(
            what, where="evaluate.metric", value=recipe.evaluate.metric, fix="use one that scores answers"
        )


def refuse_own_words(recipe: Recipe) -> None:
    """What `whet serve` alone obeys. Raises RecipeError, naming every key."""
    _refuse_keys(recipe, "a service that is no whet serve", frozenset())


def _refuse_keys(recipe: Recipe, who: str, obeyed: frozenset[str]) -> None:
    wrong = {
        key: value for key, value in set_keys(recipe) if not _taken(key, value) and key.partition(".")[0] not in obeyed
    }
    named = [key for key in wrong if not key.endswith(".kind")] or list(wrong)
    if named:
        what = f"{who} cannot be asked for {', '.join(named)}"
        fix = "leave them out, or tune on this machine (without --at)"
        raise RecipeError(what, where=named[0], value=wrong[named[0]], fix=fix)


def refuse_other_method(recipe: Recipe) -> None:
    """Once the rows have settled it. Raises InputError."""
    kind = recipe.method.kind
    if kind not in KINDS:
        what = f"a service trains {' and '.join(KINDS)}, and this is {kind}"
        raise InputError(what, where="method", value=kind, fix="tune on this machine (without --at)")


def _taken(key: str, value: Any) -> bool:
    group, _, rest = key.partition(".")
    if key in SENT or group in HERE or (group == "evaluate" and rest.partition(".")[0] in MEASURED_HERE):
        return True
    return key in SAID_BY_NOTHING and SAID_BY_NOTHING[key] == value
