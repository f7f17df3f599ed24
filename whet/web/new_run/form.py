"""What the form says, as the body that the API takes. Nothing here decides: what is left open the rules settle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlencode

import yaml
from pydantic import ValidationError
from sqlalchemy import Row

from whet.errors import RecipeError
from whet.recipe.schema import Recipe
from whet.recipe.yaml_text import Dumper, parse
from whet.server.bases import bases_of
from whet.server.errors import ApiError
from whet.server.files.first_row import method_of_file
from whet.server.jobs.places import content_of
from whet.server.jobs.recipe import OWN_KEYS, recipe_values
from whet.server.jobs.request import JobBody
from whet.web.asked import Asked

SIMPLE = ("learning_rate", "steps", "batch_tokens", "max_tokens", "too_long", "dtype", "system")
"""Keys of a recipe that have a field of their own; the rest is written as text."""
PLACES = {"model": "base", "training_file": "file", "suffix": "name"}
"""Parts of the body, by the field that says them."""
METHODS = {"sft": "Learn from answers (sft)", "dpo": "Learn from preferences (dpo)"}


@dataclass(frozen=True, slots=True)
class Field:
    """One key of the recipe, as the schema has it."""

    key: str
    why: str
    kind: Literal["number", "text", "choice"]
    choices: tuple[str, ...] = ()
    default: str = ""
    value: str = ""


@dataclass(slots=True)
class Form:
    """As it was filled in. `wrong` has a sentence by the name of a field."""

    file: str = ""
    base: str = ""
    name: str = ""
    epochs: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    more: str = ""
    wrong: dict[str, str] = field(default_factory=dict)


def fields_of(form: Form) -> list[Field]:
    """From the recipe's own schema."""
    return [_field(key, form.keys.get(key, "")) for key in SIMPLE]


def _field(key: str, value: str) -> Field:
    info = Recipe.model_fields[key]
    why = info.description or ""
    if get_origin(info.annotation) is Literal:
        choices = tuple(str(one) for one in get_args(info.annotation))
        return Field(key, why, "choice", choices, str(info.default), value)
    return Field(key, why, "text" if str in get_args(info.annotation) else "number", value=value)


def form_of(given: Mapping[str, str]) -> Form:
    """What a request says. Unknown names are left out."""
    file, base, name, epochs = (given.get(key, "").strip() for key in ("file", "base", "name", "epochs"))
    form = Form(file, base, name, epochs)
    form.keys = {key: given[f"key.{key}"].strip() for key in SIMPLE if given.get(f"key.{key}", "").strip()}
    form.more = given.get("more", "")
    return form


def body_of(asked: Asked, form: Form) -> JobBody | None:
    """None where something is wrong, which is then told at its field."""
    own = _more(form)
    for key, text in form.keys.items():
        if key in own:
            form.wrong["more"] = f"{key} stands in its own field above; say it once."
        own[key] = text if _field(key, text).kind != "number" else _number(form, key, text)
    values: dict[str, Any] = {"model": form.base, "training_file": form.file, "whet": own or None}
    values["suffix"] = form.name or None
    given = {"n_epochs": _number(form, "epochs", form.epochs)} if form.epochs else None
    kind = method_of(asked, form.file)
    if kind == "dpo":
        values["method"] = {"type": "dpo", "dpo": {"hyperparameters": given}}
    else:
        values["hyperparameters"] = given
    if form.wrong:
        return None
    try:
        return JobBody.model_validate(values)
    except ValidationError as error:
        for one in error.errors():
            place = PLACES.get(str(one["loc"][0]), "epochs")
            form.wrong[place] = one["msg"]
        return None


def method_of(asked: Asked, file: str) -> str:
    """By the file's first row; raises ApiError for a file that is not there, or holds prompts alone."""
    if not file:
        return "sft"
    kind = method_of_file(content_of(asked.service.settings.home, asked.file(file).id))["kind"]
    if kind not in METHODS:
        what = "These rows have no answers to learn from. Reinforcement needs a grader: use the API, or whet tune."
        raise ApiError(400, what, code="no_answers", param="file")
    return kind


def address_of(job: Row) -> str:
    """Of the form, filled in as this job was asked for."""
    body = JobBody.model_validate({key: value for key, value in job.request.items() if key in JobBody.model_fields})
    given = {"file": job.training_file, "base": job.model, "name": job.suffix or ""}
    if isinstance(body.settings.n_epochs, int):
        given["epochs"] = str(body.settings.n_epochs)
    own = dict(body.whet or {})
    given |= {f"key.{key}": str(own.pop(key)) for key in SIMPLE if key in own}
    if own:
        given["more"] = _as_yaml(own)
    return "/new?" + urlencode(given)


def _as_yaml(values: dict[str, Any]) -> str:
    return yaml.dump(values, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def recipe_text(asked: Asked, body: JobBody) -> str:
    """The recipe as a file would hold it, with names in the place of the service's own folders."""
    settings = asked.service.settings
    values = recipe_values(body, bases_of(settings).get(body.model, body.model), body.seed or 0, settings.home)
    values["data"] = asked.file(body.training_file).filename
    values["base"] = body.model
    if body.seed is None:
        values.pop("seed")
    return _as_yaml(values)


def told_at(form: Form, error: ApiError) -> None:
    """Puts what the service refused at the field that it is about."""
    place = PLACES.get(error.param or "")
    key = next((key for key in SIMPLE if key in error.message.partition(":")[0]), None)
    form.wrong[place or (f"key.{key}" if key in form.keys else "more")] = error.message


def _more(form: Form) -> dict[str, Any]:
    if not form.more.strip():
        return {}
    try:
        values, _ = parse(form.more, "more settings")
    except RecipeError as error:
        form.wrong["more"] = str(error)
        return {}
    if not isinstance(values, dict):
        form.wrong["more"] = "Lines of `key: value` are wanted, as in a recipe."
        return {}
    unknown = [key for key in values if key not in OWN_KEYS]
    if unknown:
        form.wrong["more"] = f"{unknown[0]} is none of: {', '.join(OWN_KEYS)}."
    return values


def _number(form: Form, key: str, text: str) -> float | int | str:
    try:
        number = float(text)
    except ValueError:
        form.wrong[key if key == "epochs" else f"key.{key}"] = f"{text!r} is no number."
        return text
    return int(number) if number.is_integer() else number
