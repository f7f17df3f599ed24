"""From a request to a recipe: what OpenAI's words mean here. Light: nothing is read but the request.

supervised      sft       n_epochs: epochs · batch_size: rows a step · learning_rate_multiplier: times Whet's own rate
dpo             dpo       the same, and beta
reinforcement   grpo      batch_size: prompts a step · compute_multiplier: times 8 answers a prompt · eval_interval:
                          steps between validations · the grader as a reward of the kind `function`
validation_file           `test`: rows that nobody trains on, by which the verdict is given

What the rows decide (batch_size in tokens, the rate) is settled by whet/server/jobs/children/numbers.py, in the worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.errors import InputError
from whet.recipe.files import files_of
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.server.errors import ApiError, of_whet, unsupported
from whet.server.jobs.request import JobBody, ReinforcementHyperparameters

TRAINING, VALIDATION, GRADER = "training.jsonl", "validation.jsonl", "grader.py"
SAMPLES = 8
"""Answers to a prompt at a compute_multiplier of 1, as of the recipe's own default."""
OWN_KEYS = (
    "adapter", "batch_tokens", "checkpoint_every", "columns", "drop_budget", "dtype", "evaluate", "forgetting",
    "format", "goal", "keep", "learning_rate", "max_tokens", "optimizer", "recompute", "schedule", "split", "steps",
    "system", "too_long",
)  # fmt: skip
"""Keys of a recipe that a request may set under `whet`: none that names a file, a server or code."""
OF_METHOD = ("max_new_tokens", "loss", "kl", "label_smoothing")


def recipe_values(body: JobBody, base: str, seed: int, folder: Path) -> dict[str, Any]:
    """The recipe's keys, with the job's files in `folder`."""
    own = dict(body.whet or {})
    method = {key: own.pop(key) for key in OF_METHOD if key in own}
    values: dict[str, Any] = {"data": str(folder / TRAINING), "base": base, "seed": seed, **own}
    if body.validation_file:
        values["test"] = str(folder / VALIDATION)

    given = body.settings
    if isinstance(given.n_epochs, int):
        values["epochs"] = float(given.n_epochs)
    values["method"] = {**_method(body, folder), **method}
    if isinstance(given, ReinforcementHyperparameters) and isinstance(given.eval_interval, int):
        values["evaluate"] = {**values.get("evaluate", {}), "every": given.eval_interval}
    return values


def _method(body: JobBody, folder: Path) -> dict[str, Any]:
    given = body.settings
    if body.method_type == "supervised":
        return {"kind": "sft"}
    if body.method_type == "dpo":
        beta = getattr(given, "beta", None)
        return {"kind": "dpo", **({"beta": float(beta)} if isinstance(beta, int | float) else {})}

    values: dict[str, Any] = {
        "kind": "grpo",
        "rewards": [{"kind": "function", "function": f"{folder / GRADER}:reward"}],
    }
    if isinstance(given.batch_size, int):
        values["prompts"] = given.batch_size
    times = getattr(given, "compute_multiplier", None)
    if isinstance(times, int | float):
        values["samples"] = max(2, round(SAMPLES * times))
    return values


def refuse_recipe(body: JobBody, base: str, folder: Path) -> None:
    """What a recipe of these keys would be refused for. Raises ApiError 400."""
    for key in body.whet or {}:
        if key not in OWN_KEYS and key not in OF_METHOD:
            raise unsupported(f"whet.{key}", f"a request may set {', '.join((*OWN_KEYS, *OF_METHOD))}.")
    try:
        recipe = load_recipe(recipe_values(body, base, body.seed or 0, folder))
    except InputError as error:
        raise of_whet(error, "whet" if body.whet else None) from error
    if recipe.adapter.kind != "lora":
        raise unsupported("whet.adapter.kind", "many tuned models share one base here, each as a LoRA.")
    _refuse_files(recipe, folder)


def _refuse_files(recipe: Recipe, folder: Path) -> None:
    """A recipe of somebody else's may name nothing on this machine but the files of its job."""
    for file in files_of(recipe):
        if file.dotted == "base":
            continue
        for name in file.names:
            if Path(name).parent != folder:
                what = f"whet.{file.dotted}: a request may name no file of the server's."
                raise ApiError(400, what, code="invalid_value", param=f"whet.{file.dotted}")

    judged = recipe.evaluate.judge or any(getattr(reward, "url", None) for reward in recipe.evaluate.wins or ())
    if judged or any(reward.kind in ("tests", "judge", "model", "function") for reward in recipe.evaluate.wins or ()):
        raise unsupported("whet.evaluate", "wins and judges that run code or ask a server.")
