"""The next version against the live one, on the same test rows, each with its own weights and base."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from whet.evaluation.contest import Contest
from whet.evaluation.facts import AnswerLine, ForgettingFacts
from whet.evaluation.forgetting.measure_forgetting import KL_ROWS, measure_forgetting
from whet.evaluation.models import EvaluatedModel, base_and_tuned
from whet.methods import method_of
from whet.model.architecture_proof import install_paths
from whet.model.base import Base, load_base
from whet.model.open import OpenedModel, open_trained
from whet.model.policy import Policy
from whet.model.precision import device
from whet.model.saved_model import read_facts
from whet.observer import Observer
from whet.stats.paired import clusters_of
from whet.store.reading import read_lines
from whet.store.run import MADE_FROM, Run
from whet.training.session import Session


@dataclass(slots=True)
class Compared:
    """Of each test row the live version's score and the candidate's, and what the candidate lost elsewhere."""

    metric: str
    lines: Sequence[AnswerLine]
    """`base` is the live version, `tuned` the candidate."""
    lost_to_live: ForgettingFacts | None = None
    lost_to_base: ForgettingFacts | None = None
    """None where nothing elsewhere is measured, as for a model with a head, or with evaluate.forgetting: false."""


def first_base(run: Run) -> str:
    """The base that a run and all versions before it stand on. A version that began from the one before it has that
    one as its base, and budgets that were held to it alone would let each version lose a little more."""
    path = run.folder / MADE_FROM
    if path.exists():
        return str(run.read_json(MADE_FROM, "base")["base"])
    return str(read_facts(run.model)["base"])


def compare_versions(live: Run, session: Session, observer: Observer) -> Compared:
    """`session` is the candidate's. Raises ModelError, RunFolderError, ProofError where either is not what was
    trained."""
    if session.recipe.method.has_head:
        return _compare_heads(live, session, observer)
    return _compare_words(live, session, observer)


def _compare_heads(live: Run, session: Session, observer: Observer) -> Compared:
    """Each measured by its own; a class that the live version does not know is one that it gets wrong."""
    method = method_of(session.recipe)
    observer.phase("asking the live version the test rows")
    facts, before = method.measure(replace(session, run=live), observer)
    after = read_lines(session.run.folder / "answers.jsonl")
    scores = {line["row"]: float(line["tuned_score"]) for line in after}
    lines: list[AnswerLine] = []
    for line in before:
        lines.append({**line, "base_score": line["tuned_score"], "tuned_score": scores[line["row"]]})
    return Compared(facts["metric"]["name"], lines)


def _compare_words(live: Run, session: Session, observer: Observer) -> Compared:
    recipe, run = session.recipe, session.run
    observer.phase("opening the live version and the candidate")
    candidate = open_trained(run, renderer=session.renderer, trust_remote_code=recipe.trust_remote_code)
    _, tuned = base_and_tuned(candidate.model, candidate.use_forest, candidate.base_model)
    opened = open_trained(live, renderer=session.renderer, trust_remote_code=recipe.trust_remote_code)
    _, before = base_and_tuned(opened.model, opened.use_forest, opened.base_model)
    contest = Contest(
        recipe, run, session.source, observer, opened, replace(before, name="base"), replace(tuned, memory=None)
    )

    observer.phase("asking both the test rows")
    method = method_of(recipe)
    facts, lines = method.measure_words(contest, method.rewards_of_run(run))
    compared = Compared(facts["metric"]["name"], lines)
    if not recipe.evaluate.forgetting:
        return compared

    base = load_base(
        first_base(run), getattr(torch, opened.facts["dtype"]), recipe.trust_remote_code, recipe.quantise, device()
    )
    observer.phase("measuring what was lost against the live version")
    compared.lost_to_live = _lost(replace(contest, opened=_with_base(opened, base)))
    del opened, before
    gc.collect()
    observer.phase("measuring what was lost against the base")
    compared.lost_to_base = _lost(_against_base(contest, base, candidate, tuned))
    return compared


def _with_base(opened: OpenedModel, base: Base) -> OpenedModel:
    """The skills of a base are told by its folder, which is not that of weights that were merged."""
    return replace(opened, base=base)


def _against_base(contest: Contest, base: Base, candidate: OpenedModel, tuned: EvaluatedModel) -> Contest:
    use_forest = install_paths(base.model, kernels=False) and candidate.use_forest
    first = EvaluatedModel("base", Policy(base.model, use_forest))
    return replace(contest, opened=_with_base(candidate, base), base=first, tuned=tuned)


def _lost(contest: Contest) -> ForgettingFacts:
    """Nothing of it is kept in the cache of what bases read: the live version is none."""
    rows = contest.rows[:KL_ROWS]
    return measure_forgetting(contest, contest.prompts(rows), clusters_of(rows), None)


def split_lines(lines: Sequence[AnswerLine], session: Session, fresh: set[str]) -> dict[str, list[AnswerLine]]:
    """The lines of the old test rows and of the fresh ones, whose hashes in the ledger are `fresh`."""
    parts: dict[str, list[AnswerLine]] = {"old": [], "fresh": []}
    for line in lines:
        digest = session.source.ledger.entry(line["row"]).hash
        parts["fresh" if digest in fresh else "old"].append(line)
    return parts


def brief(facts: ForgettingFacts | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    return {key: facts[key] for key in ("word", "broken", "unclear", "statement")}
