"""What the tuned model makes of the validation rows, scored as the verdict scores the test rows."""

from __future__ import annotations

from collections.abc import Sequence

from whet.data.batches.segment_files import Segments
from whet.data.prepare import Prepared, read_rows
from whet.data.retrieval.raft import with_found_passages
from whet.errors import DataError, InputError
from whet.evaluation.contest import Contest
from whet.evaluation.methods.classify import name_classes, score_names
from whet.evaluation.methods.headed import HeadContest
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.preference_accuracy import preference_score, read_pairs
from whet.evaluation.metrics.turns import judged_turns
from whet.evaluation.studies.failures import ScoredAnswer
from whet.recipe.schema import Recipe
from whet.rewards.combine import Rewards
from whet.training.classifier_folder import probabilities, score_segments
from whet.training.learners.classify import Outputs
from whet.types import Row


def refuse_without_answers(recipe: Recipe) -> None:
    """Raises InputError for a run whose validation rows have no answers that could fail."""
    if why := recipe.method.why_not("failures", recipe):
        raise InputError(why.what, value=why.value, fix=why.fix)


def ask_validation(contest: Contest, rewards: Rewards | None = None) -> tuple[str, list[ScoredAnswer]]:
    """(metric, one for each answer of each validation row, as the verdict asks). The answers are greedy; with
    `rewards` the first of them scores, unless the recipe asks for a metric. Raises InputError where the metric is nll,
    DataError without validation rows."""
    recipe, renderer, observer = contest.recipe, contest.renderer, contest.observer
    whole, wanted = _rows(recipe, contest.prepared), recipe.evaluate

    own = rewards is not None and wanted.metric == "auto"
    if own:
        name = "reward"
    elif wanted.metric != "auto":
        name = wanted.metric
    else:
        name = metric.choose(whole)[0]

    rows = judged_turns(recipe, whole).rows
    if name == "nll":
        fix = "set evaluate.metric to one that scores answers"
        raise InputError("a likelihood is no answer that could fail", value=name, fix=fix)

    prompts, tokens = contest.prompts(with_found_passages(recipe, rows, renderer)), contest.answer_limit(rows)
    answers = contest.answers(contest.tuned, prompts, tokens, lambda done: observer.step(done, len(rows), {}))
    texts = [answer.text.strip() for answer in answers]

    if own:
        assert rewards is not None
        scores = rewards([row.prompt for row in rows], texts, rows).parts[rewards.main]
    else:
        scores = [metric.score(name, text, row).value for text, row in zip(texts, rows, strict=True)]

    return name, [ScoredAnswer(row, text, value) for row, text, value in zip(rows, texts, scores, strict=True)]


def compare_validation(contest: Contest) -> tuple[str, list[ScoredAnswer]]:
    """As `ask_validation`, of preference pairs: the answer is the one that the model finds likelier token for token."""
    rows = _rows(contest.recipe, contest.prepared)
    read = read_pairs(contest.tuned, contest.prepared.validation)

    asked = []
    for row in rows:
        score = preference_score(read[row.index]).value
        assert row.rejected is not None
        other = Row(row.index, row.where, row.rejected).reference
        asked.append(ScoredAnswer(row, other if score < 1 else row.reference, score))

    return "preference-accuracy", asked


def classify_validation(contest: HeadContest) -> tuple[str, list[ScoredAnswer]]:
    """As `ask_validation`, of a classifier: the answer is what it names."""
    rows, segments, head = _rows(contest.recipe, contest.prepared), contest.prepared.validation, contest.head
    outputs = Outputs(head["task"], tuple(head["labels"]), head["mean"], head["spread"])
    place = _places(segments)
    score_RK = score_segments(contest.tuned(), segments)[[place[row.index] for row in rows]]
    named = name_classes(outputs, probabilities(score_RK, outputs.task), head.get("thresholds"))
    wanted = [list(row.target) if isinstance(row.target, list) else [] for row in rows]
    scores = score_names(outputs.task, wanted, named)
    asked = [
        ScoredAnswer(row, ", ".join(one), score.value) for row, one, score in zip(rows, named, scores, strict=True)
    ]

    return "accuracy" if outputs.task == "single" else "label-f1", asked


def _places(segments: Segments) -> dict[int, int]:
    return {row: number for number, row in enumerate(segments.rows.tolist())}


def _rows(recipe: Recipe, prepared: Prepared) -> Sequence[Row]:
    rows = list(read_rows(recipe, prepared, ("validation",)))
    if not rows:
        raise DataError("there are no validation rows", where=str(recipe.data), fix="set split.validation above 0")
    return rows
