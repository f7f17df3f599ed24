"""distil on the sealed rows: base against tuned, and beside them the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from whet.data.batches.loader import in_order
from whet.errors import DataError
from whet.evaluation.content import by_row
from whet.evaluation.contest import Contest
from whet.evaluation.facts import Measured
from whet.evaluation.heldout import lines_of_answers
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import asked_turns, last_turns, turn_facts
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.evaluation.verdict import compare
from whet.generation.teacher import Teacher
from whet.model.logits.divergence import same_vocabulary
from whet.model.logits.logprob import kl_sum
from whet.stats.paired import clusters_of
from whet.text.numbers import told_change, told_change_range, told_score, unit
from whet.training.learners.rollout import ids_of
from whet.types import Completion, Row, Segment

GIVEN, TAUGHT = "the rows' own answers", "the teacher's greedy answers"


def measure_distilled(contest: Contest, teacher: Teacher) -> Measured:
    """The test rows' part of evaluation.json, and the lines of answers.jsonl. The references are the rows' own answers
    where every row has one, else the teacher's.

    The key `distil` holds the teacher's score (`teacher`), tuned minus teacher (`gap`), what the references are, and
    KL(side || teacher) in nats a token of each side's own greedy answers (`divergence`).
    """
    wanted, seed = contest.recipe.evaluate, contest.recipe.seed
    whole = all(row.reference.strip() for row in contest.rows)
    if whole:
        turns = asked_turns(contest.rows, seed)
    else:
        turns = last_turns(contest.rows)

    prompts, tokens = contest.prompts(turns.rows), contest.answer_limit(turns.rows)
    found = contest.answers_of([*contest.models, EvaluatedModel("teacher", teacher.policy)], prompts, tokens)
    texts = {side: [answer.text for answer in answers] for side, answers in found.items()}

    if not whole:
        answered, kept = with_taught_references(contest.rows, texts["teacher"])
        turns = last_turns(answered)
        texts = {side: [given[place] for place in kept] for side, given in texts.items()}

    rows = turns.whole
    name, reason = (wanted.metric, "asked for in the recipe") if wanted.metric != "auto" else metric.choose(rows)
    by_turn = {
        side: [metric.score(name, text.strip(), row) for text, row in zip(given, turns.rows, strict=True)]
        for side, given in texts.items()
    }
    scores = {side: by_row(found, turns) for side, found in by_turn.items()}
    facts = contest.difference(name, reason, {side: scores[side] for side in ("base", "tuned")}, rows)
    values = {side: [score.value for score in scored] for side, scored in scores.items()}
    gap, _ = compare(values["teacher"], values["tuned"], seed, clusters_of(rows))
    facts["distil"] = {
        "teacher": metric.aggregate(name, scores["teacher"], rows) | {"name": teacher.name},
        "gap": asdict(gap),
        "references": GIVEN if whole else TAUGHT,
        "divergence": {model.name: divergence(model, teacher, prompts, found[model.name]) for model in contest.models},
    }
    facts["distil"]["statement"] = state(facts)

    if turns.many:
        facts["turns"] = turn_facts(turns, seed)
    texts = {side: [given[place] for place in turns.last] for side, given in texts.items()}

    lines = lines_of_answers(rows, scores, texts)
    for line, text in zip(lines, texts["teacher"], strict=True):
        line["teacher"] = text
    return facts, lines


def with_taught_references(rows: Sequence[Row], taught: Sequence[str]) -> tuple[list[Row], list[int]]:
    """(rows with the teacher's answers as references, their places). A row that the teacher left empty cannot be
    compared. Raises DataError where that is all of them."""
    kept = [place for place, text in enumerate(taught) if text.strip()]
    if not kept:
        raise DataError("the teacher answers no test row in words", fix="use another teacher, or rows with answers")
    answered = [
        replace(rows[place], messages=[*rows[place].prompt, {"role": "assistant", "content": taught[place].strip()}])
        for place in kept
    ]

    return answered, kept


@torch.no_grad()
def divergence(
    model: EvaluatedModel, teacher: Teacher, prompts: Sequence[list[int]], answers: Sequence[Completion]
) -> float:
    """Mean KL(side || teacher) in nats over the tokens of the side's own answers."""
    segments: list[Segment] = []
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        ids = ids_of(answer)
        if ids:
            segments.append(Segment([*prompt, *ids], [0.0] * len(prompt) + [1.0] * len(ids), row))

    total, count = 0.0, 0
    for batch in in_order(segments, READ_TOKENS):
        with model.active():
            student_ND, student = model.policy.hidden(batch), model.policy.head
        student, taught = same_vocabulary(student, teacher.policy.head)
        total += kl_sum(student_ND, student, teacher.policy.hidden(batch), taught)
        count += len(batch.target_N)

    return total / max(1, count)


def state(facts: dict[str, Any]) -> str:
    """Teacher, base and tuned in one sentence."""
    found, gap = facts["distil"], facts["distil"]["gap"]
    scale = gap.get("scale")
    range_ = told_change_range(gap["low"], gap["high"], scale)
    teacher, base, tuned = (
        told_score(side["score"], scale) for side in (found["teacher"], facts["base"], facts["tuned"])
    )

    return (
        f"The teacher scores {teacher}, the base {base}, tuned {tuned}: "
        f"{told_change(gap['estimate'], scale)}{unit(scale)} against the teacher (95% "
        f"interval {range_}). Compared with {found['references']}; KL to the teacher, on each one's own answers, "
        f"{found['divergence']['base']:.3f} before and {found['divergence']['tuned']:.3f} nats a token after."
    )
