"""distil: the model writes answers, and learns at every token what the teacher would have said there."""

from __future__ import annotations

from pathlib import Path

from whet.data.prepare import prepared_of
from whet.evaluation.contest import Contest
from whet.evaluation.facts import Measured
from whet.evaluation.methods.distil import measure_distilled
from whet.generation.teacher import refuse_missing_teacher, refuse_other_tokens, refuse_shorter_sight, teacher_of_run
from whet.methods.own_answers import OwnAnswersMethod, prompts_of
from whet.model.open import checked_path
from whet.recipe.schema import Distil, Recipe
from whet.rewards.combine import Rewards
from whet.training.learner import Learner
from whet.training.learners.distil import DistilLearner
from whet.training.training_method import Setup


class DistilMethod(OwnAnswersMethod[Distil]):
    # ---- how it trains

    def learner(self, setup: Setup) -> Learner:
        """Opens the teacher. Raises ModelError for one that cannot teach this base, RunFolderError for a changed
        one."""
        setup.observer.phase("loading the teacher")
        teacher = teacher_of_run(self.keys.teacher, setup.recipe, setup.run, setup.path)
        refuse_other_tokens(teacher, setup.base.tokenizer)
        refuse_shorter_sight(teacher, setup.recipe.max_tokens or setup.base.context)

        if teacher.renderer.templates != setup.source.renderer.templates:
            setup.observer.note("the teacher has another chat template; it is asked in the base's")
        sampler = self.sampler(setup, Rewards([]))
        held_out = list(prepared_of(setup.source).validation)
        return DistilLearner(setup.policy, teacher, sampler, prompts_of(setup), self.keys, held_out)

    # ---- how it is measured

    def refuse_missing(self, runs: Path | str) -> None:
        refuse_missing_teacher(self.keys.teacher, runs)

    def measure_words(self, contest: Contest, rewards: Rewards | None) -> Measured:
        path = checked_path(contest.run)
        return measure_distilled(contest, teacher_of_run(self.keys.teacher, contest.recipe, contest.run, path))

    def judged(self, recipe: Recipe) -> list[str]:
        return [recipe.base, self.keys.teacher]


METHOD = DistilMethod
