"""A classifier on the sealed rows: what it names, how sure it is, and what the base can do without a head.

The base is the better of two: the class that it finds likeliest when it is asked in words (with one class a row only),
and the commonest class of the training rows, for every row. Legend: R rows, K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from whet.data.batches.segment_files import Segments
from whet.data.prepare import Prepared
from whet.errors import ProofError
from whet.evaluation.class_facts import ThresholdFacts, ThresholdsFacts
from whet.evaluation.contest import HeldOut
from whet.evaluation.facts import Measured, add_keys
from whet.evaluation.heldout import lines_of_answers
from whet.evaluation.methods.label_likelihood import MOST_ASKED, most_likely_labels
from whet.evaluation.methods.regression import measure_numbers
from whet.evaluation.methods.reward import Finish
from whet.evaluation.metrics.per_class import class_facts, confusion, tell_lost
from whet.evaluation.metrics.scoring import RowScore, values_of
from whet.evaluation.models import EvaluatedModel
from whet.model.adapter import causal_lm
from whet.model.base import context_of
from whet.model.heads.linear import Scorer
from whet.stats.calibration import CalibrationFacts, calibration
from whet.training.classifier_folder import HALF, probabilities, rows_digest, score_segments
from whet.training.learners.classify import Outputs, encoded, targets_of
from whet.training.thresholds import f1
from whet.types import Row

Names = list[list[str]]
"""The classes of each row."""


def measure_classes(scorer: Scorer, head: dict[str, Any], held_out: HeldOut) -> Finish:
    """Scores the tuned model now; returns a function that scores the base and gives facts and lines."""
    outputs = Outputs(head["task"], tuple(head["labels"]), head["mean"], head["spread"])
    prepared = held_out.prepared
    assert isinstance(prepared.test, Segments)  # retrieval, which makes others, is for answers
    score_RK = score_segments(scorer, prepared.test)[_order(prepared.test, prepared.test_rows)]

    if not outputs.names:
        return measure_numbers(score_RK[:, 0] * outputs.spread + outputs.mean, held_out)

    probability_RK = probabilities(score_RK, outputs.task)
    wanted = [list(row.target) for row in prepared.test_rows if isinstance(row.target, list)]
    named = name_classes(outputs, probability_RK, head.get("thresholds"))
    tuned = score_names(outputs.task, wanted, named)

    def finish(base: EvaluatedModel) -> Measured:
        opponent = without_training(base, outputs, prepared, wanted)
        name = metric_of_task(outputs.task)
        scores = {"base": opponent.scores, "tuned": tuned}

        facts = held_out.difference(name, f"{_state(outputs)}; {opponent.reason}", scores)
        facts["without_training"] = opponent.both
        facts["base"]["kind"] = opponent.kind
        add_keys(facts["base"], table(wanted, opponent.named))
        add_keys(facts["tuned"], table(wanted, named))
        tell_lost(facts, wanted, opponent.named, named)
        facts["calibration"] = _calibration(outputs, probability_RK, wanted)

        if "thresholds" in head:
            facts["thresholds"] = threshold_table(head, outputs, prepared, probability_RK, wanted)

        texts = {"base": format_names(opponent.named), "tuned": format_names(named)}
        return facts, lines_of_answers(prepared.test_rows, scores, texts)

    return finish


def _order(segments: Segments, rows: Sequence[Row]) -> list[int]:
    """Places of the rows among their segments."""
    place = {row: number for number, row in enumerate(segments.rows.tolist())}
    return [place[row.index] for row in rows]


def metric_of_task(task: str) -> str:
    if task == "single":
        return "accuracy"
    return "label-f1"


def format_names(named: Names) -> list[str]:
    return [", ".join(names) for names in named]


def _state(outputs: Outputs) -> str:
    if outputs.task == "single":
        return f"each row has one of {outputs.count} classes"
    return f"each row has any of {outputs.count} classes, so the F1 of the named ones is taken row by row"


def name_classes(outputs: Outputs, probability_RK: np.ndarray, thresholds: list[float] | None) -> Names:
    """Classes at or above their thresholds; of one class a row the likeliest, of two the second from its threshold."""
    if outputs.task == "multi-label":
        above_RK = probability_RK >= np.array(thresholds)
        return [_names_at(outputs, np.flatnonzero(above_K)) for above_K in above_RK]

    if thresholds:
        best_R = (probability_RK[:, 1] >= thresholds[1]).astype(int)
    else:
        best_R = probability_RK.argmax(-1)

    return [[outputs.names[k]] for k in best_R.tolist()]


def _names_at(outputs: Outputs, numbers: np.ndarray) -> list[str]:
    return [outputs.names[k] for k in numbers]


def score_names(task: str, wanted: Names, named: Names) -> list[RowScore]:
    """1 for the right class; with several a row, the F1 of what was named, 1 where rightly nothing was."""
    scores = []
    for there, given in zip(wanted, named, strict=True):
        details = {"expected": ", ".join(there), "given": ", ".join(given)}
        hits, total = len(set(there) & set(given)), len(there) + len(given)

        if task == "single":
            value = float(there == given)
        elif total:
            value = 2 * hits / total
        else:
            value = 1.0
        scores.append(RowScore(value, details))

    return scores


def table(wanted: Names, named: Names) -> dict[str, Any]:
    """class_facts, and accuracy where all classes of a row are right; with one class a row the confusion, too."""
    exact = [set(expected) == set(given) for expected, given in zip(wanted, named, strict=True)]
    facts: dict[str, Any] = {"accuracy": float(np.mean(exact)), **class_facts(wanted, named)}
    if all(len(row) == 1 for row in (*wanted, *named)):
        facts["confusion"] = confusion(format_names(wanted), format_names(named))
    return facts


@dataclass(frozen=True, slots=True)
class WithoutTraining:
    """The better of the two that need no training."""

    scores: list[RowScore]
    named: Names
    kind: Literal["majority", "likelihood"]
    reason: str
    both: dict[str, tuple[Names, list[RowScore]]]
    """What each of the two named, and its scores."""


def without_training(base: EvaluatedModel, outputs: Outputs, prepared: Prepared, wanted: Names) -> WithoutTraining:
    """The commonest class for every row, or the class that the base finds likeliest when it is asked in words."""
    rows, common = prepared.test_rows, most_common(outputs, prepared)
    majority = [common] * len(rows)
    majority_scores = score_names(outputs.task, wanted, majority)
    both = {"majority": (majority, majority_scores)}
    words = ", ".join(common) or "no class"
    reason = f"the base: {words}, the most common in the training rows, for every row"

    if outputs.task != "single":
        return WithoutTraining(majority_scores, majority, "majority", reason, both)
    if len(rows) * outputs.count > MOST_ASKED:
        reason += "; too many classes to ask the base in words"
        return WithoutTraining(majority_scores, majority, "majority", reason, both)

    context = context_of(causal_lm(base.policy.model).config.get_text_config())
    likeliest = [[name] for name in most_likely_labels(base, prepared.renderer, rows, outputs.names, context)]
    likeliest_scores = score_names(outputs.task, wanted, likeliest)
    both["likelihood"] = (likeliest, likeliest_scores)

    asked_share = float(np.mean(values_of(likeliest_scores)))
    common_share = float(np.mean(values_of(majority_scores)))
    if asked_share > common_share:
        reason = "the base: the class whose name it finds likeliest, asked in words"
        return WithoutTraining(likeliest_scores, likeliest, "likelihood", reason, both)

    reason += f" ({100 * common_share:.1f}%; asked in words, the base is right in {100 * asked_share:.1f}%)"
    return WithoutTraining(majority_scores, majority, "majority", reason, both)


def most_common(outputs: Outputs, prepared: Prepared) -> list[str]:
    """With one class a row the most frequent class; with several those that most rows have, which may be none."""
    targets = targets_of(prepared, "train")
    counts: Counter[str] = Counter()
    for row in targets:
        if isinstance(row, list):
            counts.update(row)

    if outputs.task == "single":
        return [min(counts, key=lambda name: (-counts[name], name))]
    return [name for name in outputs.names if counts[name] > len(targets) / 2]


def _calibration(outputs: Outputs, probability_RK: np.ndarray, wanted: Names) -> CalibrationFacts:
    """Of the likeliest class, whatever the threshold; with several classes a row, of every class of every row."""
    there_RK = encoded(outputs, list(wanted)).numpy()
    if outputs.task == "multi-label":
        return calibration(probability_RK.ravel(), there_RK.ravel())
    best_R = probability_RK.argmax(-1)
    return calibration(probability_RK.max(-1), there_RK[np.arange(len(best_R)), best_R])


def threshold_table(
    head: dict[str, Any], outputs: Outputs, prepared: Prepared, probability_RK: np.ndarray, wanted: Names
) -> ThresholdsFacts:
    """Thresholds with F1 on both parts; proves that they were chosen without the test rows. Raises ProofError."""
    chosen = head["chosen_on"]
    validation, test = prepared.validation.rows.tolist(), [row.index for row in prepared.test_rows]
    if chosen is not None and (chosen["sha256"] != rows_digest(validation) or set(validation) & set(test)):
        raise ProofError("the thresholds were not chosen on the validation rows of this run", fix="train again")

    there_RK = encoded(outputs, list(wanted)).numpy() > HALF
    entries: list[ThresholdFacts] = []
    for k, name in enumerate(outputs.names):
        on_validation = {}
        if chosen is not None:
            on_validation["validation_f1_at_half"] = head["validation_f1_at_half"][k]
            on_validation["validation_f1"] = head["validation_f1"][k]

        on_test = {
            "test_f1_at_half": f1(probability_RK[:, k] >= HALF, there_RK[:, k]),
            "test_f1": f1(probability_RK[:, k] >= head["thresholds"][k], there_RK[:, k]),
        }
        entry = {"class": name, "threshold": head["thresholds"][k], **on_validation, **on_test}
        entries.append(cast(ThresholdFacts, entry))

    return {"chosen_on": chosen, "rows_shared_with_test": len(set(validation) & set(test)), "classes": entries}
