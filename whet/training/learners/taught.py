"""From a recipe to bake or distil, the methods that learn from another distribution."""

from __future__ import annotations

from whet.data.batches.prompt_loader import PromptLoader
from whet.data.batches.system_prefix import front_of
from whet.data.prepare import Prepared, read_rows
from whet.generation.teacher import refuse_other_tokens, refuse_shorter_sight, teacher_of
from whet.model.base import Base
from whet.model.policy import Policy
from whet.observer import Observer
from whet.recipe.schema import Bake, Distil, Recipe
from whet.rewards.combine import Rewards
from whet.store.run import Run
from whet.training.learners.bake import Baking
from whet.training.learners.distil import Distilling
from whet.training.learners.next_token import BatchSource
from whet.training.learners.rollout import Sampler


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
