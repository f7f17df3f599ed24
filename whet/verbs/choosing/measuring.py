"""A candidate of a choice, measured: what is known before it is asked, untuned on some rows, and after a short tune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from whet.data.prepare import Prepared, prepared_of, read_rows
from whet.errors import DataError, InputError
from whet.evaluation.comparison.answerers import RemoteAnswerer
from whet.evaluation.comparison.arm_results import server_cost
from whet.evaluation.contest import open_contest
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import judged_turns
from whet.evaluation.models import EvaluatedModel, remember
from whet.evaluation.opponents.of_run import setting_of
from whet.evaluation.preflight.plan import PlanFacts, forecast, target_of
from whet.evaluation.prompts import FittedPrompts
from whet.evaluation.studies.curve_runs import recipe_for_share
from whet.evaluation.studies.unit_scores import refuse_outside_unit
from whet.evaluation.transcript import FILE, Transcript
from whet.generation.collection.spending import Usage, worst_case
from whet.methods import method_of
from whet.model.architecture_proof import forest_refusal, install_forest
from whet.model.base import context_of, load_config
from whet.model.policy import Policy
from whet.observer import Count, Observer, watched_by
from whet.recipe.bases import NANO
from whet.recipe.schema import Recipe
from whet.recipe.sections.compare import RemoteModel
from whet.reports.card.evidence import NOT_STATED, base_licence
from whet.selection.asking import RowAsker, ask_tuned
from whet.selection.budget import BudgetSpent, Purse
from whet.selection.candidates import Candidate
from whet.selection.choice_facts import AskedName
from whet.selection.same_bits import folder_on_disk
from whet.store.run import Run
from whet.training.session import Session, load
from whet.types import Completion, Row
from whet.verbs.inputs import CACHE, read_data
from whet.verbs.steps.main_job import open_run
from whet.verbs.steps.stages import train_once

UNKNOWN = "unknown"
WAYS: tuple[AskedName, ...] = ("as_it_is", "prompted", "examples")
NEUTRAL = {"micro_batch_tokens", "recompute"}
"""Keys that save memory and change nothing of what is learned."""
SEES = 1 << 30
"""Tokens that a server is taken to see: it refuses by itself what is too long."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs are kept, and who watches."""

    root: Path
    observer: Observer
    name: str
    """Of the choice."""

    @property
    def cache(self) -> Path:
        return self.root / CACHE


@dataclass(frozen=True, slots=True)
class ServerReader:
    """How long texts are, by a tokenizer that is here."""

    tokenizer: Any
    context: int = SEES


class PaidTranscript(Transcript):
    """Answers of a server: what is new in it was paid for."""

    def __init__(self, path: Path, remote: RemoteModel, purse: Purse) -> None:
        super().__init__(path)
        self._remote, self._purse = remote, purse

    def add(self, arm: str, completions: Mapping[str, Completion]) -> None:
        for answer in completions.values():
            self._purse.server_usd += usd_of(self._remote, answer.prompt_tokens, answer.answer_tokens)
        super().add(arm, completions)


def recipe_with(recipe: Recipe, base: str, settings: dict[str, Any] | None = None, share: float = 1.0) -> Recipe:
    """The recipe of a candidate, for a share of the training rows; with all of them it is the one of `whet tune`."""
    own = recipe.model_copy(deep=True, update={"base": base, **(settings or {})})
    return own if share == 1 else recipe_for_share(own, share)


# ---- before anything is asked


def look(candidate: Candidate, recipe: Recipe, memory: str | None, place: Place) -> dict[str, Any]:
    """What is known of a base without its weights: does it fit, how long a tune takes, its rows in its own tokens. The
    key `refused` says why its data cannot be used with it."""
    own = recipe_with(recipe, candidate.name)
    observer = place.observer
    try:
        plan = forecast(own, method_of, target_of(memory, None), place.cache, observer)
        prepared = prepared_of(read_data(own, place.root, observer))
    except DataError as refusal:
        return {"refused": f"its rows cannot be used: {refusal.what}"}

    config = load_config(candidate.name, own.trust_remote_code)
    usable = [row.index for row in validation_rows(own, prepared)]
    fits, settings = settings_that_fit(plan)
    return {
        "licence": licence_of(candidate.name),
        "context": context_of(config),
        "tokens_per_row": prepared.tokens / max(1, prepared.rows),
        "parameters": plan["parameters"],
        "fits": fits,
        "settings": settings,
        "memory": plan["memory"]["total"],
        "available": plan["available"],
        "would_fit": None if plan["suggestion"] is None else plan["suggestion"]["sentence"],
        "time": plan["time"],
        "rows": prepared.rows,
        "validation": usable,
    }


def settings_that_fit(plan: PlanFacts) -> tuple[bool, dict[str, Any]]:
    """Whether it fits, and the keys that must be set for it: only those that change nothing of what is learned."""
    suggestion = plan["suggestion"]
    if plan["fits"] or suggestion is None:
        return plan["fits"], {}
    keys = suggestion["set"]
    return keys.keys() <= NEUTRAL, keys if keys.keys() <= NEUTRAL else {}


def licence_of(base: str) -> str:
    """As the card of a folder or the metadata of a GGUF file states it."""
    if base == NANO:
        return base_licence(NANO)
    own = Path(base).expanduser()
    place = own if own.is_file() else folder_on_disk(base)
    if place is None:
        return UNKNOWN
    stated = base_licence(str(place.resolve()))
    return UNKNOWN if stated == NOT_STATED else stated


def validation_rows(recipe: Recipe, prepared: Prepared) -> list[Row]:
    """Those that can be asked and scored."""
    rows = read_rows(recipe, prepared, ("validation",))
    return [row for row in rows if row.reference.strip() and row.prompt]


def metric_of(recipe: Recipe, rows: Sequence[Row], prepared: Prepared) -> tuple[str, str]:
    """The metric that scores written answers, and why. Raises InputError for rows that no written answer is right for,
    and for scores outside 0..1."""
    if prepared.shape.paired or prepared.shape.kind == "unpaired":
        what = "these rows say which answer is better, not what is right, so written answers cannot be scored"
        raise InputError(what, where=str(recipe.data), fix="choose a base by rows with right answers")
    name, reason = metric.metric_for(recipe.evaluate.metric, rows)
    if name == "nll":
        what = f"candidates are compared by written answers, and these rows are not: {reason}"
        raise InputError(what, where="evaluate.metric", fix=metric.known_metrics().removesuffix(", nll"))

    ideal = metric.values_of(metric.score_all(name, [row.reference.strip() for row in rows], rows))
    refuse_outside_unit(name, ideal, "bases are chosen by shares")
    return name, reason


# ---- asked as it is


def run_of(candidate: Candidate, recipe: Recipe, settings: dict[str, Any], share: float, place: Place) -> Run:
    """The run of a candidate with a share of the training rows: with all of them the one that `whet tune` makes. Other
    choices from the same data find it, and need not train again."""
    return Run.create(place.root, recipe_with(recipe, candidate.name, settings, share))


def open_untuned(session: Session, rows: Sequence[Row], name: str, observer: Observer) -> RowAsker:
    """The base of a session, ready to be asked."""
    recipe, renderer = session.recipe, session.renderer
    loaded = session.base or load(session, getattr(torch, recipe.dtype), observer)
    use_forest = forest_refusal(loaded.model) is None
    if use_forest:
        install_forest(loaded.model)
    base = EvaluatedModel("base", Policy(loaded.model, use_forest))
    remember(base, None, loaded, renderer.stop_ids, session.run.folder / FILE, {})

    turns, prepared = judged_turns(recipe, rows), prepared_of(session.source)
    return RowAsker(setting_of(name, turns.rows, base, loaded, recipe, prepared, None, observer), turns)


def open_server(
    remote: RemoteModel,
    recipe: Recipe,
    prepared: Prepared,
    rows: Sequence[Row],
    name: str,
    folder: Path,
    purse: Purse,
    observer: Observer,
) -> RowAsker:
    """A model behind a URL, ready to be asked; each request is sent only while the budget pays for its worst case.
    Raises InputError for rows that offer tools."""
    if any(row.tools for row in rows):
        fix = "leave the URL out"
        raise InputError("these rows offer tools, and a URL is asked in words alone", value=remote.model, fix=fix)

    turns, transcript = judged_turns(recipe, rows), PaidTranscript(folder / FILE, remote, purse)
    answerer = RemoteAnswerer(remote)

    def ask(prompts: FittedPrompts, tokens: int, done: Count) -> list[Completion]:
        most = sum((worst_case(messages, tokens) for messages in prompts.messages), Usage())
        price = usd_of(remote, most.prompt_tokens, most.answer_tokens)
        if price > purse.usd_left:
            what = f"asking it may cost ${price:.2g} more, and ${max(0.0, purse.usd_left):.2g} of the budget is left"
            raise BudgetSpent(what, where="--usd", value=remote.model, fix="raise --usd")

        return answerer(remote.model, prompts, tokens, transcript, done)

    reader = ServerReader(prepared.renderer.tokenizer)
    setting = setting_of(name, turns.rows, None, reader, recipe, prepared, None, observer)
    setting.elsewhere = ask
    return RowAsker(setting, turns)


def usd_of(remote: RemoteModel, prompt: float, answer: float) -> float:
    thousand = server_cost(remote, prompt, answer)
    assert thousand is not None  # a candidate has prices
    return thousand / 1000


def ask_ways(asker: RowAsker) -> dict[str, Any]:
    """All ways that can be asked, and why the others cannot; with the best constant answer of the same rows. Raises
    BudgetSpent where the budget pays for none."""
    asked: dict[str, Any] = {}
    not_asked: dict[str, str] = {}
    for way in WAYS:
        try:
            asked[way] = asker.ask(way).facts()
        except BudgetSpent as refusal:
            if not asked:
                raise
            not_asked[way] = refusal.what
        except DataError as refusal:
            not_asked[way] = refusal.what
    label, values = asker.constant()
    return {"asked": asked, "not_asked": not_asked, "constant": [label, values]}


# ---- after a short tune


def tune_and_ask(run: Run, name: str, wanted: set[int], observer: Observer) -> dict[str, Any]:
    """Trains a run, where it is not trained yet, and asks it the validation rows; its test rows are not asked."""
    with run.working(), watched_by(observer):
        session = open_run(run, observer, verdict=False)
        cost = train_once(session, observer)
        observer.phase("asking the tuned model")
        contest = open_contest(session, observer)
        remember(*contest.models, contest.loaded, contest.renderer.stop_ids, run.folder / FILE, contest.opened.facts)
        rows = [row for row in validation_rows(session.recipe, contest.prepared) if row.index in wanted]
        asked = ask_tuned(contest, judged_turns(session.recipe, rows), name)
        run.set_status("done")

    return {
        "asked": asked.facts(),
        "rows": contest.prepared.rows,
        "steps": cost["stopped"]["step"],
        "seconds": cost["seconds"] + asked.seconds * len(rows),
        "peak_memory": cost["peak_memory_bytes"],
    }
