"""A comparison from prompts to facts: the same test rows, the same metric, the same greedy decoding for each arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean as mean

import torch

from whet.data.prepare import Prepared, prepared_of, read_rows
from whet.data.retrieval.documents import Passage, read_documents
from whet.data.retrieval.encoders.opening import open_encoder
from whet.data.retrieval.retrievers import BM25, Dense, Retriever
from whet.errors import DataError, InputError, RunFolderError
from whet.evaluation import decision
from whet.evaluation.comparison.answerers import Answerer, LocalAnswerer, RemoteAnswerer
from whet.evaluation.comparison.arm_results import ArmAnswers, arm_results
from whet.evaluation.comparison.arms import KNOWN, Arm, arms_of
from whet.evaluation.comparison.comparison_facts import (
    ChosenShots,
    CompareFacts,
    RetrieverFacts,
    ShotsFacts,
    SideBySideLine,
)
from whet.evaluation.comparison.untouched_rows import chosen_checkpoint, prove_disjoint, rows_by_part
from whet.evaluation.content import by_row
from whet.evaluation.facts import Evaluation, OpponentAnswer
from whet.evaluation.heldout import answer_tokens, texts_of
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import Turns, judged_turns, turn_facts
from whet.evaluation.models import EvaluatedModel, base_and_tuned, remember
from whet.evaluation.opponents.constant import choose
from whet.evaluation.opponents.constant import label as constant_label
from whet.evaluation.opponents.of_run import setting_of
from whet.evaluation.opponents.prompted import way_of
from whet.evaluation.prompts import (
    FewShot,
    PromptStyle,
    WithPassages,
    ZeroShot,
    fit_to_context,
    nearest_examples,
    no_prompts,
    question_of,
    same_examples,
    usable_examples,
)
from whet.evaluation.retrieval.retriever_quality import (
    measure_retriever,
    passages_with_answer,
)
from whet.evaluation.transcript import FILE
from whet.generation.collection.sources import refuse_secret_url
from whet.model.architecture_proof import forest_refusal, install_forest
from whet.model.open import open_trained
from whet.model.policy import Policy
from whet.model_server import secret_of
from whet.observer import Observer
from whet.recipe.external import is_function
from whet.recipe.schema import Evaluate, Recipe
from whet.recipe.sections.compare import Compare
from whet.store.identity import data_hash, differing, identity
from whet.store.reading import optional_json
from whet.store.run import Run
from whet.store.unchanged import refuse_changed_data
from whet.training.session import Session, load
from whet.types import Completion, Row

FOLDER = "compare"
"""Inside the run's folder: compare.json, rows.json, side_by_side.jsonl, report.html."""
SHOWS_EXAMPLES = {"few-shot", "few-shot-nearest"}
CHOOSING_ROWS = 100
"""Validation rows that choose among numbers of examples."""


def refuse_uncomparable(recipe: Recipe) -> None:
    """Raises InputError for a method whose model does not write answers, and for arms without what they need."""
    if why := recipe.method.why_not("compare", recipe):
        raise InputError(why.what, where="method", value=why.value, fix=why.fix)
    if recipe.retrieval is not None:
        what = "with `retrieval` every row holds passages already, so no arm would be asked without them"
        fix = "leave `retrieval` out and name the documents in compare.documents"
        raise InputError(what, where="retrieval", value=recipe.retrieval.documents, fix=fix)
    arms_of(recipe.compare)


def refuse_too_late(recipe: Recipe, source: Prepared) -> None:
    """What would stop the comparison after hours of training is told before it. Raises InputError."""
    metric_of(recipe.evaluate, source)
    shots, framings = recipe.compare.shots, {arm.framing for arm in arms_of(recipe.compare)}
    if len(set(shots)) > 1 and framings & SHOWS_EXAMPLES and not source.ledger.summary()["held_out"]["validation"]:
        what = "validation rows choose among several numbers of examples, and there are none"
        raise InputError(what, where="compare.shots", value=shots, fix="give one number, or split.validation above 0")

    for remote in recipe.compare.remote:
        refuse_secret_url(remote.url, "compare.remote")
        if remote.key:
            secret_of(remote.key)

    if "retrieval" in framings:
        documents_of(recipe.compare)


def documents_of(settings: Compare) -> list[Passage]:
    """The passages to look answers up in. Raises DataError."""
    assert settings.documents is not None
    return read_documents(Path(settings.documents).expanduser(), settings.words)


def refuse_other_recipe(recipe: Recipe, run: Run) -> None:
    """With a run that is named, its own recipe says how rows are split and trained on; what is given here may only be
    the same, or nothing but data and `compare`. Raises RunFolderError."""
    refuse_changed_data(run)
    refuse_uncomparable(run.recipe.model_copy(update={"compare": recipe.compare}))
    asked, _ = identity(recipe)
    bare, data = identity(Recipe(data=recipe.data, test=recipe.test))
    facts = run.read_json("run.json")

    if data != data_hash(Recipe(data=run.recipe.data, test=run.recipe.test)):
        fix = "give the data of that run, or leave --run out"
        raise RunFolderError("this run was made with other data", where=f"run {run.name}", value=recipe.data, fix=fix)
    if asked not in (bare, facts.get("recipe_sha256")):
        fix = "leave out every key but those under compare, or leave --run out"
        what = f"this run was made with another recipe: {differing(recipe, run.requested)}"
        raise RunFolderError(what, where=f"run {run.name}", fix=fix)


def needs_training(recipe: Recipe) -> bool:
    return any(arm.trained for arm in arms_of(recipe.compare))


def compare_arms(session: Session, settings: Compare, observer: Observer) -> CompareFacts:
    """Asks every arm, and leaves compare.json in the run's folder `compare`; its page is written from that."""
    run, recipe, source = session.run, session.recipe, prepared_of(session.source)
    turns, folder = judged_turns(recipe, source.test_rows), run.folder / FOLDER
    name, reason = metric_of(recipe.evaluate, source)
    folder.mkdir(exist_ok=True)
    apart = prove_disjoint(source.ledger)
    run.write_json(f"{FOLDER}/rows.json", rows_by_part(source.ledger))
    arms = arms_of(settings)
    comparison = Comparison(session, turns, settings, name, observer)
    comparison.open(any(arm.trained for arm in arms))
    arms = [arm for arm in arms if comparison.can_be_asked(arm)]
    shots = comparison.choose_shots(arms)
    asked = [comparison.ask(arm, turns, shots["chosen"]) for arm in arms]
    facts, own = arm_results(asked, turns, settings, name, comparison.context, recipe.seed), own_verdict(run)
    facts["verdict"] = decision.settle(
        facts["verdict"], own.get("ship"), (own.get("verdict") or {}).get("against") or []
    )
    result: CompareFacts = {
        "run": run.name,
        "model": recipe.base,
        "metric": {"name": name, "reason": reason},
        **facts,
        "ship": own.get("ship"),
        "margin": settings.margin,
        "decoding": {"temperature": 0.0, "max_new_tokens": comparison.tokens, "room": comparison.setting.tokens},
        "shots": shots,
        "retriever": comparison.retriever_facts(turns.rows),
        "honest": {**apart, "checkpoint": chosen_checkpoint(run), "file": f"{FOLDER}/rows.json"},
        "report": str(folder / "report.html"),
    }

    if turns.many:
        result["turns"] = turn_facts(turns, recipe.seed)
    result["prompts"] = {answers.arm.name: comparison.prompt_text(answers) for answers in asked}

    if recipe.evaluate.temperature:
        observer.note("every arm answers greedily: evaluate.temperature and evaluate.samples are for whet eval")
    run.write_lines(f"{FOLDER}/side_by_side.jsonl", side_by_side(asked, turns))
    run.write_json(f"{FOLDER}/compare.json", result)

    return result


def own_verdict(run: Run) -> Evaluation:
    """What the run says of its own model (evaluation.json); nothing if that was not measured."""
    return optional_json(run.folder / "evaluation.json", {})


def metric_of(wanted: Evaluate, source: Prepared) -> tuple[str, str]:
    """The metric that scores written answers, and why. Raises DataError, InputError."""
    if not source.test_rows:
        raise DataError("there are no test rows, so nothing can be measured", fix="make split.test larger than 0")

    if wanted.metric == "auto" and (source.shape.paired or source.shape.kind == "unpaired"):
        what = "these rows say which answer is better, not what is right, so written answers cannot be scored"
        raise InputError(
            what, where="evaluate.metric", fix="name a metric that compares with the chosen answer: rouge-l"
        )

    name, reason = metric.metric_for(wanted.metric, source.test_rows)
    if name not in metric.SCORERS and not is_function(name):
        what = f"compare scores written answers, and {name} does not: {reason}"
        raise InputError(what, where="evaluate.metric", fix=metric.known_metrics().removesuffix(", nll"))

    return name, reason


class Comparison:
    """The models, the prompts and the transcript of one comparison."""

    def __init__(self, session: Session, turns: Turns, settings: Compare, metric_name: str, observer: Observer) -> None:
        self.session, self.settings, self.metric, self.observer = session, settings, metric_name, observer
        self.turns = turns
        self.source = prepared_of(session.source)
        self._pool: list[Row] | None = None
        self._retriever: Retriever | None = None

    def open(self, trained: bool) -> None:
        """Loads the base, and the tuned model where it is asked for."""
        session, recipe, renderer = self.session, self.session.recipe, self.session.renderer
        if trained:
            self.observer.phase("opening base and tuned model")
            opened = open_trained(session.run, renderer=renderer, trust_remote_code=recipe.trust_remote_code)
            base, tuned = base_and_tuned(opened.model, opened.use_forest, opened.base_model)
            loaded, facts = opened.base, opened.facts
            tuned_side: EvaluatedModel | None = tuned
        else:
            loaded = session.base or load(session, getattr(torch, recipe.dtype), self.observer)
            use_forest = forest_refusal(loaded.model) is None
            if use_forest:
                install_forest(loaded.model)
            base, tuned_side, facts = EvaluatedModel("base", Policy(loaded.model, use_forest)), None, {}

        self.transcript = remember(base, tuned_side, loaded, renderer.stop_ids, session.run.folder / FILE, facts)
        self.base = LocalAnswerer(base, loaded, renderer)

        if tuned_side is None:
            self.tuned = None
        else:
            self.tuned = LocalAnswerer(tuned_side, loaded, renderer)

        self.context = loaded.context
        self.tokens = recipe.evaluate.max_new_tokens or answer_tokens(self.turns.rows, loaded)
        rows = self.turns.rows
        self.setting = setting_of(self.metric, rows, base, loaded, recipe, self.source, None, self.observer)

    def can_be_asked(self, arm: Arm) -> bool:
        """Notes why not. Raises InputError for an arm that the recipe names."""
        try:
            if arm.framing == "prompted":
                self._way = way_of(self.session.run, self.setting)
                framing, rows = self._way.way.phrasing.style, self.turns.rows
                if len(self.setting.fits(framing, rows)) < len(rows):
                    raise DataError("beside an answer there is no room for it in each prompt")
            elif arm.framing == "constant" and not self.setting.seen.rows:
                raise DataError("no training row has an answer in words")
        except DataError as refusal:
            if self.settings.arms != "auto":
                raise InputError(refusal.what, where="compare.arms", value=arm.name, fix="leave it out") from refusal

            self.observer.note(f"{arm.label} is not asked: {refusal.what}")
            return False

        return True

    def ask(self, arm: Arm, turns: Turns, shots: int) -> ArmAnswers:
        """One arm on some rows: prompts that fit, answers, and the rows' scores."""
        found = self._ask(arm, turns.rows, shots)
        return replace(found, scores=by_row(found.scores, turns))

    def _ask(self, arm: Arm, rows: Sequence[Row], shots: int) -> ArmAnswers:
        if arm.framing == "constant":
            return self._always(arm, rows)
        if arm.framing == "prompted":
            return self._prompted(arm, rows)
        self.observer.phase(f"asking {arm.label}", len(rows))
        prompts = fit_to_context(self._framing(arm, shots), rows, self.session.renderer, self._room(arm))
        answers = self._who(arm)(
            arm.name, prompts, self._limit(arm), self.transcript, lambda n: self.observer.step(n, len(rows), {})
        )
        scores = metric.score_all(self.metric, texts_of(answers), rows)

        return ArmAnswers(arm, prompts, answers, scores)

    def _always(self, arm: Arm, rows: Sequence[Row]) -> ArmAnswers:
        """The constant answer, which reads nothing and takes no time."""
        setting = self.setting
        chosen = choose(setting.seen, setting.compared, setting.score, own=setting.own)
        answers = [Completion(chosen.answer, True)] * len(rows)
        prompts = no_prompts(len(rows))
        scores = setting.score([chosen.answer] * len(rows), rows)
        return ArmAnswers(replace(arm, label=constant_label(chosen.answer)), prompts, answers, scores)

    def _prompted(self, arm: Arm, rows: Sequence[Row]) -> ArmAnswers:
        """The base with a prompt, in the way that validation rows chose."""
        given = self._way.prompted.give(self._way.way, rows)
        return ArmAnswers(arm, given.prompts, given.answers, self.setting.score(given.texts, rows))

    def prompt_text(self, asked: ArmAnswers) -> str:
        """What this arm was given for the first row, word for word; nothing where it reads nothing."""
        if asked.arm.framing == "constant":
            return ""
        return self.session.renderer.prompt_text(asked.prompts.messages[0], self.turns.rows[0].tools)

    def choose_shots(self, arms: Sequence[Arm]) -> ShotsFacts | ChosenShots:
        """How many examples: what is asked for, or of several what the base does best with on validation rows."""
        wanted = sorted(set(self.settings.shots))
        few = [arm for arm in arms if arm.framing in SHOWS_EXAMPLES]
        if len(wanted) == 1 or not few:
            return {"chosen": wanted[0], "part": None}
        rows = usable_examples(list(read_rows(self.session.recipe, self.source, ("validation",))), "validation")
        turns = judged_turns(self.session.recipe, rows[:CHOOSING_ROWS])
        arm = KNOWN[few[0].framing]
        scores = {shots: mean(self.ask(arm, turns, shots).values) for shots in wanted}
        best = max(wanted, key=lambda shots: (scores[shots], -shots))

        return {"chosen": best, "part": "validation", "rows": len(turns.whole), "by": arm.label, "scores": scores}

    def retriever_facts(self, rows: Sequence[Row]) -> RetrieverFacts | None:
        """How often the retriever finds a passage that holds the reference answer; None without documents."""
        if self._retriever is None:
            return None
        passages = documents_of(self.settings)
        own, by = passages_with_answer([row.reference for row in rows], passages)
        without = sum(not holding for holding in own)

        if not any(own):
            return {"passages": len(passages), "by": by, "without": without, "recall": None}
        hits = self._retriever.search([question_of(row) for row in rows], max(10, self.settings.passages))
        quality = measure_retriever(hits, own, by, (1, self.settings.passages, 10))
        recall = {depth: rate.mean for depth, rate in quality.recall.items()}

        return {"passages": len(passages), "by": by, "without": without, "recall": recall, "mrr": quality.mrr.mean}

    def _who(self, arm: Arm) -> Answerer:
        if arm.remote is not None:
            return RemoteAnswerer(arm.remote)
        if not arm.trained:
            return self.base
        assert self.tuned is not None
        return self.tuned

    def _room(self, arm: Arm) -> int:
        """Tokens of a prompt beside the answer; a server knows its own context."""
        if arm.remote is None:
            return self.context - self._limit(arm)
        return 1 << 30

    def _limit(self, arm: Arm) -> int:
        """Longest answer: the base with something in its prompt gets the room that `whet tune` gives it."""
        if arm.trained or arm.framing == "zero-shot":
            return self.tokens
        return self.setting.tokens

    def _framing(self, arm: Arm, shots: int) -> PromptStyle:
        settings = self.settings
        if arm.trained or arm.framing == "zero-shot":
            system = None
        else:
            system = settings.system

        match arm.framing:
            case "few-shot":
                return FewShot(same_examples(self._examples(), shots, self.session.recipe.seed), system)
            case "few-shot-nearest":
                return FewShot(nearest_examples(self._examples(), shots), system)
            case "retrieval":
                return WithPassages(self._found(), settings.passages, settings.template, system)

        return ZeroShot(system)

    def _examples(self) -> list[Row]:
        if self._pool is None:
            self._pool = usable_examples(list(read_rows(self.session.recipe, self.source, ("trained",))))
        return self._pool

    def _found(self) -> Retriever:
        if self._retriever is None:
            passages, encoder = documents_of(self.settings), self.settings.encoder
            if encoder is None:
                self._retriever = BM25(passages)
            else:
                self._retriever = Dense(passages, open_encoder(encoder))
        return self._retriever


def side_by_side(asked: Sequence[ArmAnswers], turns: Turns) -> list[SideBySideLine]:
    """A line a row: prompt and reference of its last turn, and of each arm the answer to that and the row's score."""
    lines: list[SideBySideLine] = []
    for n, (row, last) in enumerate(zip(turns.whole, turns.last, strict=True)):
        answers: dict[str, OpponentAnswer] = {}
        for each in asked:
            answers[each.arm.name] = {"text": each.answers[last].text, "score": each.scores[n].value}

        lines.append(
            {
                "row": row.index,
                "where": row.where,
                "prompt": row.prompt,
                "reference": row.reference,
                "answers": answers,
            }
        )

    return lines
