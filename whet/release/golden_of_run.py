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
from whet.errors import InputError, WhetError
from whet.methods import method_of
from whet.model.base import context_of, load_config, saved_tokenizer
from whet.model.heads.sequence_classifier import open_scorer
from whet.model.open import open_trained
from whet.model.saved_model import read_facts
from whet.observer import Observer, Silent
from whet.recipe.schema import Recipe
from whet.release.golden import FILE, Golden, GoldenScores, is_of, read_golden, write_golden
from whet.release.golden_making import LIMIT, golden_answers, golden_scores
from whet.release.golden_prompts import PROMPTS, QUESTIONS, conversations, texts
from whet.store.run import Run
from whet.store.unchanged import refuse_changed_data
from whet.training.classifier_folder import scored_ids
from whet.training.session import Session, open_session
from whet.types import Row

ENOUGH = 40
"""Validation rows that prompts are taken from."""
PASSAGE = 32
"""Tokens of a text that goes on."""


def write_golden_of(session: Session, observer: Observer) -> Golden:
    """Asks base and tuned model of a finished run, and writes golden.json into it. Raises ModelError, ProofError."""
    rows: list[Row] = []
    passages: list[str] = []
    if session.source.plain_text:
        passages = _passages(session)
    else:
        rows = validation_rows(session)

    golden = _made(session.run, session.recipe, session.renderer, rows, passages, observer)
    write_golden(golden, session.run.folder)
    return golden


def golden_of(run: Run, observer: Observer) -> Golden:
    """What is written, or what is made now where it is of other weights, or never was. Where the data has gone since,
    the prompts are of no task, and the observer is told."""
    facts = read_facts(run.model)
    if (run.folder / FILE).exists():
        golden = read_golden(run.folder)
        if is_of(golden, facts):
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
        golden = _made(run, recipe, renderer, [], [], observer)
        write_golden(golden, run.folder)

    return golden


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


def _made(
    run: Run, recipe: Recipe, renderer: Renderer, rows: Sequence[Row], passages: Sequence[str], observer: Observer
) -> Golden:
    facts = read_facts(run.model)
    context = context_of(load_config(recipe.base, recipe.trust_remote_code))
    observer.phase("asking base and tuned model the golden prompts")

    if "head" in facts:
        scorer, tokenizer, _ = open_scorer(run.model, use_kernels=False)
        told = _texts_to_score(facts["method"] == "reward", Renderer(tokenizer, clock=renderer.clock), rows, context)
        return golden_scores(scorer, facts, renderer, told)

    room = min(context, recipe.max_tokens or context) - LIMIT
    if not facts["golden_ids"]:
        prompts = texts(renderer, passages, room)
    else:
        prompts = conversations(renderer, rows, room)

    opened = open_trained(run, renderer=renderer, trust_remote_code=recipe.trust_remote_code, kernels=False)
    return golden_answers(opened, renderer, prompts, observer)


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
