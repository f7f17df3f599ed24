"""dpo: of two answers the better one is to become likelier than the other, beside what the base says of both."""

from __future__ import annotations

from whet.losses.preference import needs_reference
from whet.methods.base import Method
from whet.methods.preference import READING_REFERENCES, folder_and_key, loader_of
from whet.recipe.schema import Dpo
from whet.training.learner import Learner
from whet.training.learners.preference import DpoLearner, first_epoch_batches, references
from whet.training.training_method import Setup


class DpoMethod(Method[Dpo]):
    # ---- how it trains

    def learner(self, setup: Setup) -> Learner:
        loader = loader_of(setup)
        if not needs_reference(self.keys):
            return DpoLearner(setup.policy, loader, self.keys, None)
        assert setup.recipe.steps
        setup.observer.phase(READING_REFERENCES)
        folder, key = folder_and_key(setup)
        batches = first_epoch_batches(loader, self.validation(setup.recipe, setup.source), setup.recipe.steps)
        return DpoLearner(setup.policy, loader, self.keys, references(folder, key, setup.policy, batches))

    # ---- how it is measured

    reads_references = True


METHOD = DpoMethod
