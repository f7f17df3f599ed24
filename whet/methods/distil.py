"""distil: the model writes answers, and learns at every token what the teacher would have said there."""

from __future__ import annotations

from whet.data.prepare import prepared_of
from whet.generation.teacher import refuse_other_tokens, refuse_shorter_sight, teacher_of
from whet.methods.own_answers import OwnAnswersMethod, prompts_of
from whet.recipe.schema import Distil
from whet.rewards.combine import Rewards
from whet.training.learner import Learner
from whet.training.learners.distil import Distilling
from whet.training.method import Setup


class DistilMethod(OwnAnswersMethod[Distil]):
    # ---- how it trains

    def learner(self, setup: Setup) -> Learner:
        """Opens the teacher. Raises ModelError for one that cannot teach this base, RunFolderError for a changed
        one."""
        setup.observer.phase("loading the teacher")
        teacher = teacher_of(setup.recipe, setup.run, setup.path)
        refuse_other_tokens(teacher, setup.base.tokenizer)
        refuse_shorter_sight(teacher, setup.recipe.max_tokens or setup.base.context)
        if teacher.renderer.templates != setup.source.renderer.templates:
            setup.observer.note("the teacher has another chat template; it is asked in the base's")
        sampler, held_out = self.sampler(setup, Rewards([])), list(prepared_of(setup.source).validation)
        return Distilling(setup.policy, teacher, sampler, prompts_of(setup), self.keys, held_out)


METHOD = DistilMethod
