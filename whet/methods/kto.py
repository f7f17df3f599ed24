"""kto: single answers that are marked good or bad, beside what the base says of them."""

from __future__ import annotations

from whet.data.batches.segment_files import marks_by_row
from whet.data.prepare import prepared_of
from whet.methods.base import Method
from whet.methods.preference import READING_REFERENCES, folder_and_key, loader_of
from whet.recipe.schema import Kto
from whet.training.learner import Learner
from whet.training.learners.kto import KtoLearner, reference_batches, references
from whet.training.training_method import Setup


class KtoMethod(Method[Kto]):
    # ---- how it trains

    def learner(self, setup: Setup) -> Learner:
        loader = loader_of(setup)
        assert setup.recipe.steps
        setup.observer.phase(READING_REFERENCES)
        folder, key = folder_and_key(setup)
        batches = reference_batches(loader, list(self.validation(setup.recipe, setup.source)), setup.recipe.steps)
        marks = marks_by_row(prepared_of(setup.source).segments)
        return KtoLearner(setup.policy, loader, self.keys, marks, references(folder, key, setup.policy, batches))

    # ---- how it is measured

    reads_references = True


METHOD = KtoMethod
