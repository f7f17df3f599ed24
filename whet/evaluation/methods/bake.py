"""bake on the sealed rows: base against tuned without the prompt, and beside them the base with it."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean as mean
from typing import Any

import torch

from whet.data.batches.loader import in_order
from whet.data.batches.system_prefix import Front, front_of, prompted_batch, with_system
from whet.evaluation.content import by_row
from whet.evaluation.contest import Contest
from whet.evaluation.facts import Measured
from whet.evaluation.methods.answers import measure_rows
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import asked_turns
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.evaluation.verdict import compare
from whet.model.logits.logprob import kl_sum
from whet.text.numbers import told_change, told_change_range, told_score, unit


def measure_baked(contest: Contest, prompt: str) -> Measured:
    """What `measure_rows` gives, the key `bake`, and what the prompted base answered in each line.

    `bake` holds the prompted base's score (`prompted`), tuned minus prompted (`kept`), the mean tokens of a request
    with and without the prompt, and KL(prompted base || side) in nats a token for base and tuned (`divergence`).
    """
    rows, renderer, seed = contest.rows, contest.renderer, contest.recipe.seed
    facts, lines = measure_rows(contest)
    name, front = facts["metric"]["name"], front_of(renderer, prompt)
    turns = asked_turns(rows, seed)
    bare = contest.prompts(turns.rows)
    prompted = [renderer.prompt_ids(with_system(prompt, row.prompt), row.tools) for row in turns.rows]

    if name == "nll":
        batches = (prompted_batch(batch, front) for batch in in_order(contest.prepared.test, READ_TOKENS))
        found = contest.base.nll(batches)
        scores = [metric.likelihood(found[row.index][0], max(1, round(found[row.index][1]))) for row in rows]
    else:
        written = contest.answers(contest.base, prompted, contest.answer_limit(turns.rows))
        answers = [answer.text for answer in written]
        found = [metric.score(name, text.strip(), row) for text, row in zip(answers, turns.rows, strict=True)]
        scores = by_row(found, turns)

        for line, place in zip(lines, turns.last, strict=True):
            line["prompted"] = answers[place]

    for line, score in zip(lines, scores, strict=True):
        line["prompted_score"] = score.value
    values = [score.value for score in scores]
    kept, _ = compare(values, [line["tuned_score"] for line in lines], seed, contest.clusters)
    long, short = (mean([len(ids) for ids in asked]) for asked in (prompted, bare))
    facts["bake"] = {
        "prompted": metric.aggregate(name, scores, rows),
        "kept": asdict(kept),
        "request_tokens": {"with": long, "without": short, "saved": long - short},
        "divergence": {model.name: divergence(contest, model, front) for model in contest.models},
    }
    facts["bake"]["statement"] = state(facts)

    return facts, lines


@torch.no_grad()
def divergence(contest: Contest, model: EvaluatedModel, front: Front) -> float:
    """Mean KL(base with the prompt || side without it) in nats over the answer tokens."""
    base, total, count = contest.base, 0.0, 0
    for batch in in_order(contest.prepared.test, READ_TOKENS):
        with base.active():
            teacher_ND, teacher = base.policy.hidden(prompted_batch(batch, front)), base.policy.head
        with model.active():
            student_ND, student = model.policy.hidden(batch), model.policy.head
        total += kl_sum(teacher_ND, teacher, student_ND, student)
        count += len(batch.target_N)

    return total / count


def state(facts: dict[str, Any]) -> str:
    """Both in one sentence each: the quality kept, and the tokens saved."""
    bake, tokens = facts["bake"], facts["bake"]["request_tokens"]
    difference = bake["kept"]
    scale = difference.get("scale")
    range_ = told_change_range(difference["low"], difference["high"], scale)
    prompted, bare, tuned = (
        told_score(side["score"], scale) for side in (bake["prompted"], facts["base"], facts["tuned"])
    )

    return (
        f"With the prompt the base scores {prompted}, without it {bare}; tuned, without it, {tuned}: "
        f"{told_change(difference['estimate'], scale)}{unit(scale)} against the prompted base (95% interval {range_}). "
        f"A request has {tokens['without']:.0f} tokens instead of {tokens['with']:.0f}: {tokens['saved']:.0f} saved "
        f"({100 * tokens['saved'] / tokens['with']:.0f}%)."
    )
