"""Base against tuned on the answers that both write: by the metric, by content and form, and by the loss."""

from __future__ import annotations

from collections.abc import Sequence

from whet.evaluation.content import by_row, measure_content, state_content, turn_lines
from whet.evaluation.contest import Contest
from whet.evaluation.facts import SIDES, Evaluation, Measured, add_keys
from whet.evaluation.heldout import Drawing, likelihoods, lines_of_answers, paired_facts, sampled_facts
from whet.evaluation.methods.marked_answers import measure_marks
from whet.evaluation.methods.pairs import measure_pairs
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.per_class import tell_lost
from whet.evaluation.metrics.turns import Turns, asked_turns, turn_facts
from whet.evaluation.reference_loss import bytes_of, measure_loss, tell_loss
from whet.evaluation.sampling_noise import repeat_each, row_means, with_rows_of
from whet.recipe.schema import Evaluate
from whet.stats.paired import clusters_of
from whet.types import Completion, Row


def measure_rows(contest: Contest) -> Measured:
    """The part of evaluation.json that concerns the test rows, and the lines of answers.jsonl."""
    prepared, wanted = contest.prepared, contest.recipe.evaluate
    if prepared.shape.paired:
        return measure_pairs(contest)
    if prepared.shape.kind == "unpaired":
        return measure_marks(contest)

    name, reason = metric.metric_for(wanted.metric, contest.rows)
    nll = {model.name: model.segments_nll(prepared.test) for model in contest.models}
    if name == "nll":
        scores = {side: likelihoods(side_nll, contest.rows) for side, side_nll in nll.items()}
        facts = contest.difference(name, reason, scores)
        lines = lines_of_answers(contest.rows, scores)
    else:
        facts, lines = measure_written(contest, name, reason)

    add_loss(facts, contest, nll)
    if facts["verdict"]["content"] is not None:
        facts["verdict"]["sentence"] += state_content(facts, facts.get("answer_limit", 0))
    return facts, lines


def measure_written(contest: Contest, name: str, reason: str) -> Measured:
    """What both models write, scored by the metric."""
    wanted, seed = contest.recipe.evaluate, contest.recipe.seed
    turns = asked_turns(contest.rows, seed)
    tokens = contest.answer_limit(turns.rows)

    drawing = Drawing(wanted.samples, wanted.temperature, seed)
    written = contest.answers_of_both(contest.prompts(turns.rows), tokens, drawing)

    facts, lines = written_facts(name, reason, written, contest.rows, turns, wanted, seed)
    facts["answer_limit"] = tokens
    return facts, lines


def add_loss(facts: Evaluation, contest: Contest, nll: dict[str, dict[int, tuple[float, float]]]) -> None:
    """The loss on the references, as a figure of each side and as one of its own. `nll` holds (weighted loss in nats,
    weight) of each row, by side."""
    for side in SIDES:
        nats = sum(loss for loss, _ in nll[side].values())
        facts[side]["nll_per_token"] = nats / sum(weight for _, weight in nll[side].values())

    sizes = bytes_of(contest.prepared.test, contest.loaded.tokenizer)
    facts["loss"] = measure_loss(nll, sizes, contest.rows, contest.recipe.seed, contest.clusters)
    tell_loss(facts)


def written_facts(
    name: str,
    reason: str,
    written: dict[str, list[Completion]],
    rows: Sequence[Row],
    turns: Turns,
    wanted: Evaluate,
    seed: int,
) -> Measured:
    """Verdict and lines of what both models wrote: by the metric, and by content and form."""
    samples = wanted.samples
    asked = repeat_each(turns.rows, samples)
    by_turn: dict[str, list[metric.RowScore]] = {}
    for side, answers in written.items():
        by_turn[side] = metric.score_all(name, [answer.text.strip() for answer in answers], asked)

    scores = {side: by_row(turn_scores, turns, samples) for side, turn_scores in by_turn.items()}
    if wanted.temperature:
        facts = sampled_facts(name, reason, scores, rows, wanted, seed)
        scores = {side: row_means(side_scores, samples) for side, side_scores in scores.items()}
    else:
        facts = paired_facts(name, reason, scores, rows, seed)

    if turns.many:
        add_turns(facts, name, by_turn, asked, turns, seed)

    texts = {}
    for side, answers in written.items():
        texts[side] = [answers[place * samples].text for place in turns.last]
    lines = lines_of_answers(rows, scores, texts)

    if name == "accuracy":
        firsts = {side: turn_scores[::samples] for side, turn_scores in by_turn.items()}
        tell_lost(facts, _labels(firsts["tuned"], "expected"), *(_labels(firsts[side], "given") for side in SIDES))

    content = measure_content(name, written, turns, samples, seed, clusters_of(rows))
    facts["verdict"]["content"] = content.figures["content"]
    facts["verdict"]["form"] = content.figures["form"]
    for side in SIDES:
        add_keys(facts[side], content.sides[side])

    for line, more in zip(lines, turn_lines(written, by_turn, content.scores, turns, samples), strict=True):
        add_keys(line, more)
    return facts, lines


def add_turns(
    facts: Evaluation,
    name: str,
    by_turn: dict[str, list[metric.RowScore]],
    asked: Sequence[Row],
    turns: Turns,
    seed: int,
) -> None:
    """What was asked of rows with several turns; the details of each side are then those of all its turns."""
    facts["turns"] = turn_facts(turns, seed)
    for side in SIDES:
        facts[side] = with_rows_of(metric.aggregate(name, by_turn[side], asked), facts[side])


def _labels(scores: Sequence[metric.RowScore], key: str) -> list[list[str]]:
    return [[score.details[key]] for score in scores]
