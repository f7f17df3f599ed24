"""distil on the sealed rows: base against tuned, and beside them the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from whet.data.batches.loader import in_order
from whet.errors import DataError
from whet.evaluation.content import by_row
from whet.evaluation.contest import Contest
from whet.evaluation.facts import DistilFacts, Evaluation, Measured
from whet.evaluation.heldout import lines_of_answers, texts_of
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import asked_turns, last_turns, turn_facts
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.evaluation.verdict import compare, difference_facts
from whet.generation.teacher import Teacher
from whet.model.logits.divergence import same_vocabulary
from whet.model.logits.logprob import kl_sum
from whet.stats.paired import clusters_of
from whet.text.numbers import format_change, format_change_range, format_score, unit
from whet.training.learners.rollout import ids_of
from whet.types import Completion, Row, Segment

GIVEN, TAUGHT = "the rows' own answers", "the teacher's greedy answers"


def measure_distilled(contest: Contest, teacher: Teacher) -> Measured:
    """The test rows' part of evaluation.json, and the lines of answers.jsonl. The references are the rows' own answers
    if every row has one, else the teacher's.

    The key `distil` holds the teacher's score (`teacher`), tuned minus teacher (`gap`), what the references are, and
    KL(model || teacher) in nats a token of each model's own greedy answers (`divergence`).
    """
    seed = contest.recipe.seed
    has_references = all(row.reference.strip() for row in contest.rows)
    if has_references:
        turns, references = asked_turns(contest.rows, seed), GIVEN
    else:
        turns, references = last_turns(contest.rows), TAUGHT

    prompts, tokens = contest.prompts(turns.rows), contest.answer_limit(turns.rows)
    models = [*contest.models, EvaluatedModel("teacher", teacher.policy)]
    written = contest.answers_of(models, prompts, tokens)
    texts = {side: texts_of(answers) for side, answers in written.items()}

    if not has_references:
        taught_rows, places = with_taught_references(contest.rows, texts["teacher"])
        turns = last_turns(taught_rows)
        texts = {side: _at(places, side_texts) for side, side_texts in texts.items()}

    rows = turns.whole
    name, reason = metric.metric_for(contest.recipe.evaluate.metric, rows)
    scores = {}
    for side, side_texts in texts.items():
        scores[side] = by_row(metric.score_all(name, [text.strip() for text in side_texts], turns.rows), turns)

    taught = scores.pop("teacher")
    facts = contest.difference(name, reason, scores, rows)
    gap, _ = compare(metric.values_of(taught), metric.values_of(scores["tuned"]), seed, clusters_of(rows))
    distances = {model.name: divergence(model, teacher, prompts, written[model.name]) for model in contest.models}
    facts["distil"] = {
        "teacher": {**metric.aggregate(name, taught, rows), "name": teacher.name},
        "gap": difference_facts(gap),
        "references": references,
        "divergence": distances,
        "statement": "",
    }
    facts["distil"]["statement"] = state(facts["distil"], facts)

    if turns.many:
        facts["turns"] = turn_facts(turns, seed)

    last = {side: _at(turns.last, side_texts) for side, side_texts in texts.items()}
    lines = lines_of_answers(rows, scores, last)
    for line, text in zip(lines, last["teacher"], strict=True):
        line["teacher"] = text
    return facts, lines


def _at(places: Sequence[int], texts: Sequence[str]) -> list[str]:
    return [texts[place] for place in places]


def with_taught_references(rows: Sequence[Row], taught: Sequence[str]) -> tuple[list[Row], list[int]]:
    """(rows with the teacher's answers as references, their places). A row that the teacher left empty cannot be
    compared. Raises DataError if the teacher left all of them empty."""
    places = [place for place, text in enumerate(taught) if text.strip()]
    if not places:
        raise DataError("the teacher answers no test row in words", fix="use another teacher, or rows with answers")

    referred = []
    for place in places:
        answer = {"role": "assistant", "content": taught[place].strip()}
        referred.append(replace(rows[place], messages=[*rows[place].prompt, answer]))

    return referred, places


@torch.no_grad()
def divergence(
    model: EvaluatedModel, teacher: Teacher, prompts: Sequence[list[int]], answers: Sequence[Completion]
) -> float:
    """Mean KL(model || teacher) in nats over the tokens of the model's own answers."""
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


def state(distil: DistilFacts, facts: Evaluation) -> str:
    """Teacher, base and tuned in one sentence."""
    gap, divergence = distil["gap"], distil["divergence"]
    scale = gap["scale"]
    range_ = format_change_range(gap["low"], gap["high"], scale)
    teacher = format_score(distil["teacher"]["score"], scale)
    base, tuned = format_score(facts["base"]["score"], scale), format_score(facts["tuned"]["score"], scale)

    return (
        f"The teacher scores {teacher}, the base {base}, tuned {tuned}: "
        f"{format_change(gap['estimate'], scale)}{unit(scale)} against the teacher (95% "
        f"interval {range_}). Compared with {distil['references']}; KL to the teacher, on each one's own answers, "
        f"{divergence['base']:.3f} before and {divergence['tuned']:.3f} nats a token after."
    )
