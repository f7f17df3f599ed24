"""A model with a head on the sealed rows, against what its base can do without one."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from whet.evaluation.contest import HeldOut
from whet.evaluation.facts import Measured
from whet.evaluation.methods.reward import Finish
from whet.evaluation.models import EvaluatedModel
from whet.model.architecture_proof import install_paths
from whet.model.base import load_base
from whet.model.heads.linear import Scorer
from whet.model.heads.sequence_classifier import open_scorer
from whet.model.open import checked_path, prove_trained, refuse_other_weights
from whet.model.policy import Policy
from whet.model.precision import device
from whet.model.saved_model import ModelFacts
from whet.observer import Observer
from whet.pulse import beat
from whet.training.session import Session


@dataclass(frozen=True)
class HeadContest(HeldOut):
    """Held-out rows, a model with a head and its base; only one of the two is in memory at a time."""

    facts: ModelFacts
    """whet.json of the model's folder."""
    kernels: bool
    """Whether fused layers read both."""

    @property
    def head(self) -> dict[str, Any]:
        """What whet.json says of the head: its task, its names, its golden rows."""
        assert "head" in self.facts
        return self.facts["head"]

    def tuned(self) -> Scorer:
        beat("opening the tuned model")
        return open_scorer(self.run.model, self.kernels)[0]

    def base(self) -> EvaluatedModel:
        """The base of the training, as a language model. Raises ModelError if it is another one by now."""
        beat("opening the base")
        facts, trust = self.facts, self.recipe.trust_remote_code
        base = load_base(facts["base"], getattr(torch, facts["dtype"]), trust, where=device())
        refuse_other_weights(base, facts, self.run.model)
        use_forest = install_paths(base.model, self.kernels)

        return EvaluatedModel("base", Policy(base.model, use_forest))


def open_heads(session: Session, observer: Observer) -> HeadContest:
    """The contest of a run whose model has a head, after the model is proved to be what was trained. Raises
    RunFolderError, ProofError."""
    facts = prove_trained(session.run, session.renderer)
    kernels = checked_path(session.run) == "fused"
    return HeadContest(session.recipe, session.run, session.source, observer, facts, kernels)


def measure_headed(contest: HeadContest, read: Callable[[Scorer], Finish]) -> Measured:
    """The part of evaluation.json that concerns the test rows, and the lines of answers.jsonl.

    `read` scores the tuned model and returns a function that scores the base, so that the two are in memory one after
    the other. Raises DataError without test rows, and as `open_scorer`.
    """
    assert contest.rows  # without test rows this raises before a model is opened
    scorer = contest.tuned()
    finish = read(scorer)
    del scorer
    gc.collect()

    return finish(contest.base())
