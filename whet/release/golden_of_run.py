"""The golden answers of a run: made while it ends, and made anew for a run that has none of its present weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from whet.data.prepare import prepared_of, read_rows
from whet.data.pretrain.corpus import corpus_of
from whet.data.refused import RowRefused
from whet.data.render.renderer import Renderer
from whet.data.retrieval.raft import with_found_passages
from whet.errors import InputError, RunFolderError, WhetError
from whet.methods import method_of
from whet.model.architecture_proof import unfuse
from whet.model.base import context_of, load_config, saved_tokenizer
from whet.model.heads.sequence_classifier import open_scorer
from whet.model.open import OpenedModel, open_trained
from whet.model.saved_model import ModelFacts, read_facts
from whet.observer import Observer, Silent
from whet.recipe.schema import Recipe
from whet.release.golden import FILE, Golden, GoldenPrompt, GoldenScores, is_of, keep_golden, read_golden
from whet.release.golden_making import LIMIT, golden_answers, golden_scores
from whet.release.golden_prompts import PROMPTS, QUESTIONS, conversations, texts
from whet.store.checksums import refuse_damaged
from whet.store.run import Run
from whet.store.unchanged import refuse_changed_data
from whet.training.classifier_folder import scored_ids
from whet.training.session import Session, open_session
from whet.types import Row

ASKING = "asking base and tuned model the golden prompts"
ENOUGH = 40
"""Validation rows that prompts are taken from."""
PASSAGE = 32
"""Tokens of a text that goes on."""


def write_golden_of(session: Session, observer: Observer) -> Golden:
    """Asks base and tuned model of a finished run, and writes golden.json into it; where it holds the answers of these
    weights to these questions already, nothing is asked. Raises ModelError, ProofError."""
    opened, session.opened = session.opened, None
    rows: list[Row] = []
    passages: list[str] = []
    if session.source.plain_text:
        passages = _passages(session)
    else:
        rows = validation_rows(session)

    return _asked_once(session.run, session.recipe, session.renderer, rows, passages, observer, opened)


def golden_of(run: Run, observer: Observer) -> Golden:
    """What is written, or what is made now where it is of other weights, or never was. Where the data has gone since,
    the prompts are of no task, and the observer is told."""
    facts = read_facts(run.model)
    if (run.folder / FILE).exists():
        golden = read_golden(run.folder)
        if is_of(golden, facts):
            refuse_damaged(run.folder)  # a digit may be another, and the file still be sound JSON
            return golden

    recipe = run.recipe
    try:
        refuse_changed_data(run)
        with run.reading():
            return write_golden_of(open_session(recipe, run, method_of, Silent()), observer)
    except InputError as error:
        observer.note(f"golden prompts without rows of the task: {error.what}")

    renderer = Renderer(saved_tokenizer(run.model), clock=datetime.fromisoformat(facts["clock"]))
    with run.reading():
        return _asked_once(run, recipe, renderer, [], [], observer)


def try_write_golden(session: Session, observer: Observer) -> None:
    """At the end of a run, whose result stands by then: what cannot be asked is told, and asked again at an export."""
    try:
        write_golden_of(session, observer)
    except WhetError as error:
        observer.note(f"golden answers were not written ({error.what}); whet export tries again")


def validation_rows(session: Session, most: int = ENOUGH) -> list[Row]:
    """Some rows that were neither learned nor tested, as they are asked in use; learned ones where none were held out
    for validation."""
    prepared = prepared_of(session.source)
    for fate in ("validation", "trained"):
        rows = list(islice(read_rows(session.recipe, prepared, (fate,)), most))
        if rows:
            return with_found_passages(session.recipe, rows, session.renderer)
    return []


def _asked_once(
    run: Run,
    recipe: Recipe,
    renderer: Renderer,
    rows: Sequence[Row],
    passages: Sequence[str],
    observer: Observer,
    opened: OpenedModel | None = None,
) -> Golden:
    """What lies in the run, or what is asked now and written."""
    facts = read_facts(run.model)
    known = _known(run, facts, observer)
    context = context_of(load_config(recipe.base, recipe.trust_remote_code))

    if "head" in facts:
        told = Renderer(saved_tokenizer(run.model), clock=renderer.clock)
        scored = _texts_to_score(facts["method"] == "reward", told, rows, context)
        if known is not None and known.asked == scored:
            return known

        observer.phase(ASKING)
        golden = golden_scores(open_scorer(run.model, use_kernels=False)[0], facts, renderer, scored)
        keep_golden(golden, run)
        return golden

    prompts = _prompts(recipe, renderer, rows, passages, context, facts)
    if known is not None and known.asked == prompts:
        return known

    observer.phase(ASKING)
    golden = golden_answers(_plain(run, recipe, renderer, opened), renderer, prompts, observer)
    keep_golden(golden, run)
    return golden


def _known(run: Run, facts: ModelFacts, observer: Observer) -> Golden | None:
    """What lies in the run, where it is of its present weights. What cannot be read is told, and asked again."""
    if not (run.folder / FILE).exists():
        return None
    try:
        golden = read_golden(run.folder)
    except RunFolderError as error:
        observer.note(f"golden answers are asked anew: {error.what}")
        return None
    return golden if is_of(golden, facts) else None


def _prompts(
    recipe: Recipe,
    renderer: Renderer,
    rows: Sequence[Row],
    passages: Sequence[str],
    context: int,
    facts: ModelFacts,
) -> list[GoldenPrompt]:
    """What a model that writes is asked."""
    room = min(context, recipe.max_tokens or context) - LIMIT
    if not facts["golden_ids"]:
        return texts(renderer, passages, room)
    return conversations(renderer, rows, room)


def _plain(run: Run, recipe: Recipe, renderer: Renderer, opened: OpenedModel | None) -> OpenedModel:
    """Base and tuned model without fused layers, whose sums are of another order: those that are open, or both opened
    now."""
    if opened is None:
        return open_trained(run, renderer=renderer, trust_remote_code=recipe.trust_remote_code, kernels=False)

    for model in (opened.model, opened.base_model):
        if model is not None:
            unfuse(model)
    return opened


def _passages(session: Session) -> list[str]:
    """Pieces of the validation text, from all over it."""
    ids = corpus_of(session.source).validation
    step = max(PASSAGE, len(ids) // PROMPTS)
    pieces = (ids[start : start + PASSAGE].tolist() for start in range(0, len(ids), step))
    decode = session.renderer.tokenizer.decode
    return [str(decode(piece, skip_special_tokens=True)) for piece in pieces]


def _texts_to_score(as_answers: bool, renderer: Renderer, rows: Sequence[Row], context: int) -> list[GoldenScores]:
    """What a reward model or a classifier reads; its scores are still empty."""
    found = []
    for row in [*rows, *(_answered(words) for words in QUESTIONS)]:
        try:
            if as_answers:
                one = _answer(renderer, row)
            else:
                one = _text(renderer, row)
        except RowRefused:
            continue

        if 0 < len(one.ids) <= context:
            found.append(one)

    return found[:PROMPTS]


def _answered(words: str) -> Row:
    return Row(0, "golden", [{"role": "user", "content": words}, {"role": "assistant", "content": "I do not know."}])


def _answer(renderer: Renderer, row: Row) -> GoldenScores:
    messages = [{key: value for key, value in one.items() if key != "weight"} for one in row.messages]
    rendered = renderer.render(replace(row, messages=messages))
    return GoldenScores(rendered.text, scored_ids(renderer, messages), [], messages)


def _text(renderer: Renderer, row: Row) -> GoldenScores:
    text = str(row.prompt[-1]["content"])
    return GoldenScores(text, list(renderer.tokenizer(text)["input_ids"]), [])
