"""Everything that is measured beside the task, on base and tuned alike: the key `forgetting` of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from whet.evaluation.contest import Contest
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
) -> dict[str, Any]:
    """General text, KL on the task's own prompts and on general text, the base's skills, and the user's suites.
    `clusters` names the group of each of the task's `prompts`, where there are groups. What the base makes of general
    text is read once and kept in `cache`, where that is given."""
    recipe = contest.recipe
    measures = list(_read(contest, prompts, clusters, cache))
    items = skills.load_suite(contest.loaded.path)
    suites = [read_suite(path, recipe.columns.group) for path in recipe.forgetting.suites]
    total, done = 2 * (len(items) + sum(len(suite.rows) for suite in suites)), 0

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
    if asked := kl_by_prompt(base, tuned, prompts[:KL_ROWS]):
        yield forgetting.kl_measure("task", asked, budgets.kl, seed, clusters)

    general = [encode(text)[: loaded.context] for text in texts[::KL_TEXTS]]
    if read := kl_by_prompt(base, tuned, general):
        yield forgetting.kl_measure("general", read, None, seed)


def read_cached(
    cache: Path | None, base: Base, texts: list[str], read: Callable[[], list[tuple[float, int]]]
) -> list[tuple[float, int]]:
    """What `read` gives, or what it gave when this base last read these texts with weights of this kind."""
    if cache is None:
        return read()
    kinds = sorted({str(weight.dtype) for weight in base.model.parameters()})
    parts = [base.fingerprint, str(base.context), *kinds, *texts]
    file = cache / f"text-{sha256_text(chr(0).join(parts))[:24]}.json"

    known = read_summed(file)  # a damaged one is read again
    if known is not None:
        return [(float(nats), int(tokens)) for nats, tokens in known]

    found = read()
    if all(math.isfinite(nats) for nats, _ in found):  # else the measure that reads them says so, each time
        write_summed(file, found)
    return found


def _skills(contest: Contest, items: list[dict[str, Any]], total: int) -> Measure:
    asked = [contest.renderer.prompt_ids(item["messages"], None) for item in items]
    answers = contest.answers_of_both(asked, skills.TOKENS, total=total)
    hits = {side: skills.hits(items, found) for side, found in answers.items()}
    parts = {side: skills.grade(items, found) for side, found in answers.items()}
    return _scored("skills", "The base's own skills", hits, contest.recipe, parts=parts)


def _suite(contest: Contest, suite: Suite, before: int, total: int) -> Measure:
    tokens = answer_tokens(suite.rows, contest.loaded)
    scores = {}
    for side, answers in contest.answers_of_both(contest.prompts(suite.rows), tokens, GREEDY, before, total).items():
        pairs = zip(answers, suite.rows, strict=True)
        scores[side] = [metric.score(suite.metric, answer.text.strip(), row).value for answer, row in pairs]
    chosen = {"metric": suite.metric, "metric_reason": suite.reason}
    name, what = f"suite-{suite.name}", f"The suite {suite.name!r}"
    return _scored(name, what, scores, contest.recipe, clusters_of(suite.rows), **chosen)


def _harness(contest: Contest) -> Iterator[Measure]:
    wanted = contest.recipe.forgetting
    if not wanted.lm_eval:
        return

    found = {}
    for model in contest.models:
        found[model.name] = harness.run_tasks(
            model, contest.loaded, contest.renderer, wanted.lm_eval, wanted.lm_eval_limit
        )
    for one in paired(found["base"], found["tuned"]):
        scores, what = {"base": one.base, "tuned": one.tuned}, f"The lm-eval task {one.task!r}"
        better = one.higher_is_better
        yield _scored(f"lm-eval-{one.task}", what, scores, contest.recipe, metric=one.metric, higher_is_better=better)


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
