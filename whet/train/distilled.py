"""From a recipe to bake or distil, the methods that learn from another distribution."""

from __future__ import annotations

from whet.data.baked import front_of
from whet.data.prepare import Prepared, read_rows
from whet.data.prompt_loader import PromptLoader
from whet.model.base import Base
from whet.model.policy import Policy
from whet.recipe.schema import Bake, Distil, Recipe
from whet.reward.combine import Rewards
from whet.store.run import Run
from whet.train.bake import Baking
from whet.train.distil import Distilling
from whet.train.methods import BatchSource
from whet.train.observer import Observer
from whet.train.rollout import Sampler
from whet.train.teacher import refuse_other_tokens, refuse_shorter_sight, teacher_of


def baking_method(method: Bake, prepared: Prepared, policy: Policy, loader: BatchSource) -> Baking:
    return Baking(policy, loader, front_of(prepared.renderer, method.prompt))


def distilling_method(
    recipe: Recipe, prepared: Prepared, base: Base, policy: Policy, loader: BatchSource, run: Run, path: str,
    observer: Observer,
) -> Distilling:  # fmt: skip
    """Opens the teacher. Raises ModelError for one that cannot teach this base, RunFolderError for a changed one."""
    method = recipe.method
    assert isinstance(method, Distil) and isinstance(loader, PromptLoader)
    observer.phase("loading the teacher")
    teacher = teacher_of(recipe, run, path)
    refuse_other_tokens(teacher, base.tokenizer)
    refuse_shorter_sight(teacher, recipe.max_tokens or base.context)
    if teacher.renderer.templates != prepared.renderer.templates:
        observer.note("the teacher has another chat template; it is asked in the base's")
    rows = read_rows(recipe, prepared, ("trained", "validation"))
    nothing = Rewards([])
    sampler = Sampler(
        policy, base.tokenizer, prepared.renderer.stop_ids, base.context, nothing, {row.index: row for row in rows},
        method.max_new_tokens, recipe.seed,
    )  # fmt: skip
    return Distilling(policy, teacher, sampler, loader, method, list(prepared.validation))
