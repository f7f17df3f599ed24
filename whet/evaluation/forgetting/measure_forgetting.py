"""What base and tuned model can do beside the task: the key `forgetting` of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from whet.evaluation.contest import Contest
from whet.evaluation.facts import ForgettingFacts
from whet.evaluation.forgetting import lm_eval as harness
from whet.evaluation.forgetting import measure_kinds as forgetting
from whet.evaluation.forgetting import skills
from whet.evaluation.forgetting.budget import Measure, summarise
from whet.evaluation.forgetting.lm_eval_tasks import paired
from whet.evaluation.forgetting.suites import Suite, read_suite
from whet.evaluation.heldout import GREEDY, answer_tokens
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.models import kl_by_prompt, text_nll
from whet.model.base import Base
from whet.recipe.schema import Recipe
from whet.stats.paired import clusters_of, paired_difference
from whet.store.atomic import sha256_text
from whet.store.checksums import read_summed, write_summed

KL_ROWS = 100
"""Prompts that the KL is measured on: its mean settles long before that."""
KL_TEXTS = 4
"""The distance on general text is measured on every fourth of its texts, for the same reason: each text that is read
for it is read twice more."""


def measure_forgetting(
    contest: Contest,
    prompts: Sequence[list[int]] = (),
    clusters: Sequence[object] | None = None,
    cache: Path | None = None,
) -> ForgettingFacts:
    """General text, KL on the task's own prompts and on general text, the base's skills, and the user's suites.
    `clusters` names the group of each of the task's `prompts`, if there are groups. The base's likelihoods of general
    text are read once and kept in `cache`, if that is given."""
    recipe = contest.recipe
    measures = list(_read(contest, prompts, clusters, cache))
    items = skills.load_suite(contest.loaded.path)
    suites = [read_suite(path, recipe.columns.group) for path in recipe.forgetting.suites]
    total = 2 * (len(items) + sum(len(suite.rows) for suite in suites))
    done = 0

    if items:
        measures.append(_skills(contest, items, total))
        done += 2 * len(items)

    for suite in suites:
        measures.append(_suite(contest, suite, done, total))
        done += 2 * len(suite.rows)

    measures += _harness(contest)
    return summarise(measures)


def _read(
    contest: Contest, prompts: Sequence[list[int]], clusters: Sequence[object] | None, cache: Path | None
) -> Iterator[Measure]:
    """What is read, not written."""
    base, tuned, loaded = contest.base, contest.tuned, contest.loaded
    budgets, seed, tokenizer = contest.recipe.forgetting, contest.recipe.seed, loaded.tokenizer
    texts = forgetting.general_texts()

    def encode(text: str) -> list[int]:
        return tokenizer(text)["input_ids"]

    yield forgetting.text_measure(
        lambda texts: read_cached(cache, loaded, texts, lambda: text_nll(base, texts, encode, loaded.context)),
        lambda texts: text_nll(tuned, texts, encode, loaded.context),
        texts,
        budgets.text,
        seed,
    )
    if on_task := kl_by_prompt(base, tuned, prompts[:KL_ROWS]):
        yield forgetting.kl_measure("task", on_task, budgets.kl, seed, clusters)

    general = [encode(text)[: loaded.context] for text in texts[::KL_TEXTS]]
    if on_text := kl_by_prompt(base, tuned, general):
        yield forgetting.kl_measure("general", on_text, None, seed)


def read_cached(
    cache: Path | None, base: Base, texts: list[str], read: Callable[[], list[tuple[float, int]]]
) -> list[tuple[float, int]]:
    """What `read` returns, or returned the last time this base read these texts with weights of this dtype."""
    if cache is None:
        return read()
    kinds = sorted({str(weight.dtype) for weight in base.model.parameters()})
    parts = [base.fingerprint, str(base.context), *kinds, *texts]
    file = cache / f"text-{sha256_text(chr(0).join(parts))[:24]}.json"

    known = read_summed(file)  # a damaged one is read again
    if known is not None:
        return [(float(nats), int(tokens)) for nats, tokens in known]

    likelihoods = read()
    if all(math.isfinite(nats) for nats, _ in likelihoods):  # else the measure that reads them raises, each time
        write_summed(file, likelihoods)
    return likelihoods


def _skills(contest: Contest, items: list[dict[str, Any]], total: int) -> Measure:
    prompts = [contest.renderer.prompt_ids(item["messages"], None) for item in items]
    hits, parts = {}, {}
    for side, answers in contest.answers_of_both(prompts, skills.TOKENS, total=total).items():
        hits[side] = skills.hits(items, answers)
        parts[side] = skills.grade(items, answers)

    return _scored("skills", "The base's own skills", hits, contest.recipe, parts=parts)


def _suite(contest: Contest, suite: Suite, before: int, total: int) -> Measure:
    tokens = answer_tokens(suite.rows, contest.loaded)
    written = contest.answers_of_both(contest.prompts(suite.rows), tokens, GREEDY, before, total)

    scores = {}
    for side, answers in written.items():
        texts = [answer.text.strip() for answer in answers]
        scores[side] = metric.values_of(metric.score_all(suite.metric, texts, suite.rows))

    chosen = {"metric": suite.metric, "metric_reason": suite.reason}
    name, what = f"suite-{suite.name}", f"The suite {suite.name!r}"
    return _scored(name, what, scores, contest.recipe, clusters_of(suite.rows), **chosen)


def _harness(contest: Contest) -> Iterator[Measure]:
    wanted = contest.recipe.forgetting
    if not wanted.lm_eval:
        return

    scores = {}
    for model in contest.models:
        scores[model.name] = harness.run_tasks(
            model, contest.loaded, contest.renderer, wanted.lm_eval, wanted.lm_eval_limit
        )
    for task in paired(scores["base"], scores["tuned"]):
        details = {"metric": task.metric, "higher_is_better": task.higher_is_better}
        sides, what = {"base": task.base, "tuned": task.tuned}, f"The lm-eval task {task.task!r}"
        yield _scored(f"lm-eval-{task.task}", what, sides, contest.recipe, **details)


def _scored(
    name: str,
    what: str,
    scores: dict[str, list[float]],
    recipe: Recipe,
    clusters: Sequence[object] | None = None,
    **details: Any,
) -> Measure:
    difference = paired_difference(scores["base"], scores["tuned"], recipe.seed, clusters)
    sides = (sum(scores["base"]) / difference.rows, sum(scores["tuned"]) / difference.rows)
    return forgetting.score_measure(name, what, sides, difference, recipe.forgetting.score, **details)
