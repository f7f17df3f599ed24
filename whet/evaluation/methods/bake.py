"""bake on the sealed rows: base against tuned without the prompt, and beside them the base with it."""

from __future__ import annotations

from statistics import fmean as mean

import torch

from whet.data.batches.loader import in_order
from whet.data.batches.system_prefix import SystemPrefix, prompted_batch, system_prefix, with_system
from whet.evaluation.content import by_row
from whet.evaluation.contest import Contest
from whet.evaluation.facts import AnswerLine, BakeFacts, Evaluation, Measured
from whet.evaluation.heldout import likelihoods
from whet.evaluation.methods.answers import measure_rows
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import Turns, asked_turns
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.evaluation.verdict import compare, difference_facts
from whet.model.logits.logprob import kl_sum
from whet.text.numbers import format_change, format_change_range, format_score, unit


def measure_baked(contest: Contest, prompt: str) -> Measured:
    """What `measure_rows` gives, the key `bake`, and what the prompted base answered in each line.

    `bake` holds the prompted base's score (`prompted`), tuned minus prompted (`kept`), the mean tokens of a request
    with and without the prompt, and KL(prompted base || model) in nats a token for base and tuned (`divergence`).
    """
    facts, lines = measure_rows(contest)
    name, front = facts["metric"]["name"], system_prefix(contest.renderer, prompt)
    turns = asked_turns(contest.rows, contest.recipe.seed)
    prompts = [contest.renderer.prompt_ids(with_system(prompt, row.prompt), row.tools) for row in turns.rows]

    if name == "nll":
        scores = prompted_likelihoods(contest, front)
    else:
        scores = prompted_scores(contest, name, turns, prompts, lines)
    for line, score in zip(lines, scores, strict=True):
        line["prompted_score"] = score.value

    tuned = [line["tuned_score"] for line in lines]
    kept, _ = compare(metric.values_of(scores), tuned, contest.recipe.seed, contest.clusters)
    facts["bake"] = {
        "prompted": metric.aggregate(name, scores, contest.rows),
        "kept": difference_facts(kept),
        "request_tokens": request_tokens(prompts, contest.prompts(turns.rows)),
        "divergence": {model.name: divergence(contest, model, front) for model in contest.models},
        "statement": "",
    }
    facts["bake"]["statement"] = state(facts["bake"], facts)

    return facts, lines


def prompted_likelihoods(contest: Contest, front: SystemPrefix) -> list[metric.RowScore]:
    """How likely the references are to the base with the prompt."""
    batches = (prompted_batch(batch, front) for batch in in_order(contest.prepared.test, READ_TOKENS))
    return likelihoods(contest.base.nll(batches), contest.rows)


def prompted_scores(
    contest: Contest, name: str, turns: Turns, prompts: list[list[int]], lines: list[AnswerLine]
) -> list[metric.RowScore]:
    """Scores of what the base answers with the prompt; the answers are written into the lines."""
    answers = contest.answers(contest.base, prompts, contest.answer_limit(turns.rows))
    texts = [answer.text for answer in answers]
    for line, place in zip(lines, turns.last, strict=True):
        line["prompted"] = texts[place]

    return by_row(metric.score_all(name, [text.strip() for text in texts], turns.rows), turns)


def request_tokens(prompted: list[list[int]], bare: list[list[int]]) -> dict[str, float]:
    """Mean tokens of a request with the prompt and without it."""
    long, short = mean(map(len, prompted)), mean(map(len, bare))
    return {"with": long, "without": short, "saved": long - short}


@torch.no_grad()
def divergence(contest: Contest, model: EvaluatedModel, front: SystemPrefix) -> float:
    """Mean KL(base with the prompt || model without it) in nats over the answer tokens."""
    base, total, count = contest.base, 0.0, 0
    for batch in in_order(contest.prepared.test, READ_TOKENS):
        with base.active():
            teacher_ND, teacher = base.policy.hidden(prompted_batch(batch, front)), base.policy.head
        with model.active():
            student_ND, student = model.policy.hidden(batch), model.policy.head
        total += kl_sum(teacher_ND, teacher, student_ND, student)
        count += len(batch.target_N)

    return total / count


def state(bake: BakeFacts, facts: Evaluation) -> str:
    """In one sentence each: the quality that was kept, and the tokens saved."""
    kept, tokens = bake["kept"], bake["request_tokens"]
    scale = kept["scale"]
    range_ = format_change_range(kept["low"], kept["high"], scale)
    prompted = format_score(bake["prompted"]["score"], scale)
    base, tuned = format_score(facts["base"]["score"], scale), format_score(facts["tuned"]["score"], scale)

    return (
        f"With the prompt the base scores {prompted}, without it {base}; tuned, without it, {tuned}: "
        f"{format_change(kept['estimate'], scale)}{unit(scale)} against the prompted base (95% interval {range_}). "
        f"A request has {tokens['without']:.0f} tokens instead of {tokens['with']:.0f}: {tokens['saved']:.0f} saved "
        f"({100 * tokens['saved'] / tokens['with']:.0f}%)."
    )
