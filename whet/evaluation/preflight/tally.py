"""What a tune will read, learn and write, counted from its recipe and rows before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from whet.data.batches.loader import Loader
from whet.data.batches.shared_prefixes import fold
from whet.data.prepare import Prepared, prepared_of
from whet.data.pretrain.corpus import corpus_of
from whet.data.read.source import read_source
from whet.data.source import Source
from whet.evaluation.forgetting import skills
from whet.evaluation.forgetting.measure_forgetting import KL_ROWS
from whet.evaluation.forgetting.measure_kinds import general_texts
from whet.evaluation.heldout import limit_of
from whet.evaluation.measuring_method import Measures
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.models import READ_TOKENS
from whet.generation.self_generated import (
    CHAT,
    DRAWS,
    SHIPPED_PROMPTS,
    TEXT,
    for_replay,
    pool,
    prompts_file,
    read_asked,
)
from whet.model.base import locate
from whet.planning.beside_steps import Around
from whet.planning.tune_time import EXAMPLES, PHRASINGS, VALIDATED, Work, Writing
from whet.recipe.schema import Recipe
from whet.recipe.sections.keep import BASE
from whet.training.retention.replay import needed

BEFORE = 1
"""Validations before the first step."""
SKILL = 40
"""About the tokens of a prompt of a base's skill suite."""


def work_of(recipe: Recipe, method: Measures, source: Source, tokenizer: Any) -> Work:
    """Of a recipe whose rules are applied, and its method."""
    assert recipe.steps and recipe.evaluate.every and recipe.checkpoint_every
    row, supervised = _row(source), source.supervised_tokens / max(1, source.tokens)
    share = read_share(recipe, source)
    step = method.mean_step(recipe, source)

    if source.plain_text:
        validation, validation_rows = len(corpus_of(source).validation), 0
    else:
        segments = prepared_of(source).validation
        validation, validation_rows = share * _tokens(segments), len(segments)

    steps = recipe.schedule.shortest or recipe.steps
    if recipe.keep.replays and recipe.keep.ratio:
        ratio = recipe.keep.ratio
    else:
        ratio = 0.0

    replayed = step * ratio / (1 - ratio) / (recipe.keep.every or 1)
    step *= share
    parts: dict[str, Any] = {}

    if not source.plain_text:
        parts = _measured(recipe, method, prepared_of(source), tokenizer, share)
    if recipe.evaluate.forgetting and recipe.asks_for_test:
        parts |= _forgotten(recipe, tokenizer)

    if recipe.keep.replay == BASE:
        parts["kept"] = own_samples(recipe, source, tokenizer)
    rollout = method.written_in_a_step(row)
    return Work(
        steps=steps,
        step_tokens=step,
        row=row + (recipe.method.answer_tokens or 0) / 2,
        supervised=supervised if rollout is None else 1.0,
        validations=BEFORE + math.ceil(steps / recipe.evaluate.every),
        validation_tokens=validation if rollout is None else 0,
        checkpoints=steps // recipe.checkpoint_every,
        reference_tokens=_referred(recipe, method, source, validation),
        rollout=rollout,
        validated=method.written_in_a_validation(row, validation_rows),
        replayed_tokens=replayed,
        anchored_tokens=(replayed or step) if recipe.keep.kl else 0.0,
        **parts,
    )


def around_of(recipe: Recipe, source: Source, work: Work, stored: int) -> Around:
    """What memory asks of the same; `stored` are the bytes of a number in the base's files."""
    row = max(1, round(work.row))
    rows = max(1, min(recipe.micro_batch_tokens or row, round(work.step_tokens)) // row)
    many = [one for one in (work.test, work.rollout, work.skills, work.kept) if one is not None]
    widest = max(many, key=lambda one: one.answers * (one.prompt + one.most), default=None)
    read = max(1, min(READ_TOKENS, round(max(work.general_tokens, work.prompt_tokens, work.test_tokens))))
    paired = not source.plain_text and source.shape.paired
    found = Around(
        row, rows, work.supervised, read=read, repeated=2 - work.supervised if paired else 1.0, stored=stored
    )

    if widest is None:
        return found

    prompt = widest.prompt
    if widest is work.test and not source.plain_text:
        prompt = max((len(segment.ids) for segment in prepared_of(source).test), default=round(prompt))
    return replace(found, answers=widest.answers, prompt=round(prompt), answer=round(widest.most))


def read_share(recipe: Recipe, source: Source) -> float:
    """The share of a step's tokens that is read: what rows begin alike with is read once
    (whet/data/batches/shared_prefixes.py)."""
    if source.plain_text or recipe.method.answer_tokens:
        return 1.0

    rows = prepared_of(source).train
    if not rows:
        return 1.0

    assert recipe.batch_tokens and recipe.micro_batch_tokens
    batches = Loader(rows, recipe.batch_tokens, recipe.micro_batch_tokens, recipe.seed).step(0)

    read = sum(len(fold(batch).ids_T) for batch in batches)
    return read / sum(len(batch.ids_T) for batch in batches)


def _row(source: Source) -> float:
    if source.plain_text:
        return 1024.0
    return source.tokens / max(1, source.rows)


def _tokens(segments: Sequence[Any]) -> int:
    return sum(len(segment.ids) for segment in segments)


def _referred(recipe: Recipe, method: Measures, source: Source, validation: float) -> float:
    """The base's own likelihoods of the first epoch, where they are read."""
    if not method.reads_references:
        return 0.0
    assert recipe.steps
    return min(source.tokens, recipe.steps * method.mean_step(recipe, source)) + validation


def _measured(recipe: Recipe, method: Measures, source: Prepared, tokenizer: Any, share: float) -> dict[str, Any]:
    """Test rows read by both sides, and answered where the metric asks for words."""
    rows, tokens = source.test_rows, _tokens(source.test)
    if method.rewards:
        likelihoods = 0
    else:
        likelihoods = share * tokens

    found: dict[str, Any] = {
        "test_tokens": likelihoods,
        "prompt_tokens": share * tokens * min(1.0, KL_ROWS / max(1, len(rows))),
    }
    if not rows or recipe.method.why_not("compare", recipe) or source.shape.paired:
        return found
    if source.shape.kind == "unpaired":
        return found

    own = recipe.method.answer_tokens
    if not own and recipe.evaluate.metric in ("auto", "nll") and metric.choose(rows)[0] == "nll":
        return found

    lengths = []
    for ids in tokenizer([row.reference or " " for row in rows])["input_ids"]:
        lengths.append(len(ids))
    most = recipe.evaluate.max_new_tokens or own or limit_of(max(lengths))
    prompt = max(1.0, tokens / len(rows) - (0 if own else fmean(lengths)))
    answers = len(rows) * recipe.evaluate.samples
    usual = min(float(most), fmean(lengths) if not own else most / 2)
    found["test"] = Writing(answers, prompt, usual, most)
    validated = PHRASINGS * min(VALIDATED, len(source.validation)) + 2 * len(rows)
    longer = prompt * (1 + EXAMPLES / 2)
    found["opponents"] = Writing(validated, longer, usual, most)

    return found


def _forgotten(recipe: Recipe, tokenizer: Any) -> dict[str, Any]:
    texts = tokenizer(general_texts())["input_ids"]
    found: dict[str, Any] = {"general_tokens": sum(map(len, texts))}

    if Path(locate(recipe.base)).is_dir():
        items = skills.load_suite(locate(recipe.base))
    else:
        items = []

    if items:
        answers = []
        for ids in tokenizer([item["answer"] for item in items])["input_ids"]:
            answers.append(len(ids))
        found["skills"] = Writing(len(items), SKILL, fmean(answers), skills.TOKENS)

    return found


def own_samples(recipe: Recipe, source: Source, tokenizer: Any) -> Writing:
    """The base's own samples. Raises RecipeError for a base without prompts, DataError for a file of them that is
    wrong."""
    path = prompts_file(recipe.keep.prompts, locate(recipe.base))
    next(read_source(str(path)))
    learned = for_replay(read_asked(path, source.renderer, tokenizer))
    asked = pool(learned, needed(recipe), path == SHIPPED_PROMPTS)
    answers: list[int] = []
    for one in asked:
        if one.text:
            answers += [TEXT.max_new_tokens] * DRAWS
        else:
            answers.append(CHAT.max_new_tokens)

    prompt = fmean(len(one.ids) for one in asked)

    return Writing(len(answers), prompt, fmean(answers) / 2, fmean(answers))
