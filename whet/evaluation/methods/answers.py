"""Base against tuned on the answers that both write: by the metric, by content and form, and by the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whet.evaluation.content import by_row, measure_content, state_content, turn_lines
from whet.evaluation.contest import Contest, Measured
from whet.evaluation.heldout import Drawing, lines_of_answers, nll_of, paired_facts, sampled_facts
from whet.evaluation.methods.marked_answers import measure_marks
from whet.evaluation.methods.pairs import measure_pairs
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.per_class import tell_lost
from whet.evaluation.metrics.turns import Turns, asked_turns, turn_facts
from whet.evaluation.reference_loss import bytes_of, measure_loss, tell_loss
from whet.evaluation.sampling_noise import repeat_each, row_means
from whet.recipe.schema import Evaluate
from whet.stats.paired import clusters_of
from whet.types import Completion, Row

OF_ROWS = ("score", "low", "high", "rows")


def measure_rows(contest: Contest) -> Measured:
    """The part of evaluation.json that concerns the test rows, and the lines of answers.jsonl."""
    rows, prepared, wanted, seed = contest.rows, contest.prepared, contest.recipe.evaluate, contest.recipe.seed
    if prepared.shape.paired:
        return measure_pairs(contest)
    if prepared.shape.kind == "unpaired":
        return measure_marks(contest)

    turns = asked_turns(rows, seed)
    name, reason = (wanted.metric, "asked for in the recipe") if wanted.metric != "auto" else metric.choose(rows)

    nll = {model.name: model.segments_nll(prepared.test) for model in contest.models}
    if name == "nll":
        scores = {side: [metric.likelihood(*nll_of(found, row)) for row in rows] for side, found in nll.items()}
        facts = contest.difference(name, reason, scores)
        lines = lines_of_answers(rows, scores, {side: [""] * len(rows) for side in nll})
    else:
        tokens = contest.answer_limit(turns.rows)
        drawing = Drawing(wanted.samples, wanted.temperature, seed)
        written = contest.answers_of_both(contest.prompts(turns.rows), tokens, drawing)
        facts, lines = written_facts(name, reason, written, rows, turns, wanted, seed)
        facts["answer_limit"] = tokens

    for side, found in nll.items():
        total, weight = (sum(values) for values in zip(*found.values(), strict=True))
        facts[side]["nll_per_token"] = total / weight

    facts["loss"] = measure_loss(nll, bytes_of(prepared.test, contest.loaded.tokenizer), rows, seed, contest.clusters)
    tell_loss(facts)

    if facts["verdict"]["content"] is not None:
        facts["verdict"]["sentence"] += state_content(facts, facts["answer_limit"])
    return facts, lines


def written_facts(
    name: str,
    reason: str,
    written: dict[str, list[Completion]],
    rows: Sequence[Row],
    turns: Turns,
    wanted: Evaluate,
    seed: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Verdict and lines of what both sides wrote: by the metric, and by content and form."""
    asked, samples = repeat_each(turns.rows, wanted.samples), wanted.samples
    by_turn = {
        side: [metric.score(name, answer.text.strip(), row) for answer, row in zip(answers, asked, strict=True)]
        for side, answers in written.items()
    }
    scores = {side: by_row(found, turns, samples) for side, found in by_turn.items()}

    if wanted.temperature:
        facts = sampled_facts(name, reason, scores, rows, wanted, seed)
        scores = {side: row_means(found, samples) for side, found in scores.items()}
    else:
        facts = paired_facts(name, reason, scores, rows, seed)

    if turns.many:
        facts["turns"] = turn_facts(turns, seed)
        for side, found in by_turn.items():
            facts[side] = metric.aggregate(name, found, asked) | {key: facts[side][key] for key in OF_ROWS}

    texts = {side: [answers[place * samples].text for place in turns.last] for side, answers in written.items()}
    lines = lines_of_answers(rows, scores, texts)

    if name == "accuracy":
        named = {side: [[score.details["given"]] for score in found[::samples]] for side, found in by_turn.items()}
        expected = [[score.details["expected"]] for score in by_turn["tuned"][::samples]]
        tell_lost(facts, expected, named["base"], named["tuned"])

    content = measure_content(name, written, turns, samples, seed, clusters_of(rows))
    facts["verdict"] |= content.figures

    for side, found in content.sides.items():
        facts[side] |= found
    for line, more in zip(lines, turn_lines(written, by_turn, content.found, turns, samples), strict=True):
        line |= more
    return facts, lines
