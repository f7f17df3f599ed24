"""Keys that nothing would read beside the others of the same recipe: who writes one expects something of it."""

from __future__ import annotations

from whet.recipe.schema import Evaluate, Recipe
from whet.recipe.sections.compare import Compare
from whet.recipe.strict import Conflict, refuse_first

LOOKED_UP = ("encoder", "words", "passages", "template")
"""Keys of `compare` that say how documents are looked into."""


def refuse_unread_keys(recipe: Recipe, where: str) -> None:
    """Raises RecipeError for the first."""
    refuse_first([*_compared(recipe.compare), *_forgotten(recipe), *_learned(recipe)], where)


def _compared(compare: Compare) -> list[Conflict]:
    default = Compare()
    return [
        (
            compare.documents is None and getattr(compare, key) != getattr(default, key),
            "there are no documents to look anything up in",
            f"compare.{key}: {getattr(compare, key)}",
            f"name them in compare.documents, or leave compare.{key} out",
        )
        for key in LOOKED_UP
    ]


def _forgotten(recipe: Recipe) -> list[Conflict]:
    wanted, measured = recipe.forgetting, recipe.evaluate.forgetting
    kept_apart = recipe.keep.replays or recipe.keep.scale == "auto"  # neither may see what a suite asks
    asked = {
        "lm_eval": wanted.lm_eval,
        "suites": [] if kept_apart else wanted.suites,
        "text": wanted.text,
        "kl": wanted.kl,
        "score": wanted.score if recipe.keep.scale != "auto" else None,
    }

    return [
        (
            not wanted.lm_eval and wanted.lm_eval_limit is not None,
            "no task of lm-eval is asked for",
            f"forgetting.lm_eval_limit: {wanted.lm_eval_limit}",
            "name tasks in forgetting.lm_eval, or leave the limit out",
        ),
        *(
            (
                not measured and bool(value),
                "evaluate.forgetting: false, so nothing is measured beside the task",
                f"forgetting.{key}: {value}",
                f"leave evaluate.forgetting or forgetting.{key} out",
            )
            for key, value in asked.items()
        ),
    ]


def _learned(recipe: Recipe) -> list[Conflict]:
    wanted, schedule = recipe.evaluate, recipe.schedule
    return [
        (
            recipe.split.in_order and recipe.method.rows.as_text,
            "documents are held out by their content",
            "split.in_order: true",
            "leave it out",
        ),
        (
            recipe.columns.passage is not None and recipe.retrieval is None,
            "passages are named, and there is no retrieval that would look at them",
            f"columns.passage: {recipe.columns.passage}",
            "add retrieval: {documents: ...}, or leave columns.passage out",
        ),
        *recipe.method.refuses(recipe, "wins", wanted.wins is not None, "evaluate.wins"),
        (
            not wanted.early_stop and wanted.patience != Evaluate().patience,
            "evaluate.early_stop: false, so no validation ends the training",
            f"evaluate.patience: {wanted.patience}",
            "leave one of them out",
        ),
        (
            schedule.kind == "constant" and schedule.floor > 0,
            "a constant rate falls to no floor",
            f"schedule.floor: {schedule.floor:g}",
            "leave it out, or set schedule.kind: cosine or linear",
        ),
        *recipe.method.refuses(recipe, "hold", schedule.kind == "hold", "schedule.kind: hold"),
        (
            schedule.kind == "hold" and not (wanted.early_stop and recipe.split.validation),
            "a rate is held until validation no longer improves, and here no validation may end it",
            "schedule.kind: hold",
            "hold out rows (split.validation) with evaluate.early_stop: true, or set another schedule.kind",
        ),
        (
            schedule.shortest is not None and schedule.kind != "hold",
            "only a schedule that waits has a shortest run",
            f"schedule.shortest: {schedule.shortest}",
            "leave it out, or set schedule.kind: hold",
        ),
        *recipe.method.refuses(recipe, "system", recipe.system is not None, f"system: {recipe.system}"),
    ]
