"""What a run with a head leaves behind: a sequence classifier, its tokenizer, and what validation rows decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from whet.data.batches.loader import in_order
from whet.data.batches.segment_files import Segments
from whet.data.prepare import Prepared
from whet.data.render.renderer import Renderer
from whet.model.base import Base
from whet.model.heads.linear import Scorer, leaves_of
from whet.model.heads.sequence_classifier import READ_TOKENS, save_classifier, score_rows
from whet.model.policy import evaluating
from whet.model.saved_model import GOLDEN, write_facts
from whet.recipe.schema import Classify, Recipe
from whet.stats.functions import sigmoid, softmax
from whet.store.atomic import new_folder
from whet.store.run import Run
from whet.training.learners.classify import Outputs, encoded, targets_of
from whet.training.thresholds import best_cut, best_thresholds, f1
from whet.types import Row

GOLDEN_ANSWER = {"role": "assistant", "content": "A quoted letter."}
GOLDEN_TEXTS = [str(GOLDEN[0]["content"]), str(GOLDEN_ANSWER["content"])]
HALF = 0.5


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """What a model with a head says of itself beside its weights."""

    golden_rows: list[list[int]]
    """A few rows in the form that was trained on; their scores are proved whenever the model is opened."""
    config: dict[str, Any]
    """For config.json, in the words of transformers."""
    template: str | dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)
    """For whet.json: what the scores mean."""


def save_head_model(
    run: Run, base: Base, scorer: Scorer, renderer: Renderer, recipe: Recipe, released: HeadFacts
) -> None:
    """run/model: trunk with the adapter merged, head, labels, tokenizer and whet.json, in one atomic folder."""
    dtype = str(next(scorer.policy.model.parameters()).dtype)
    golden = released.golden_rows

    head: dict[str, Any] = {"golden_rows": golden, "golden_scores": score_rows(scorer, golden).tolist()}
    with new_folder(run.model) as folder:
        save_classifier(scorer, base.tokenizer, renderer.stop_ids, folder, released.config)
        base.tokenizer.chat_template = released.template
        base.tokenizer.save_pretrained(folder)
        write_facts(folder, base, dtype, renderer, recipe, head=head | released.facts)


def golden_texts(tokenizer: Any) -> list[list[int]]:
    """Golden rows of a classifier, which reads plain texts."""
    return [tokenizer(text)["input_ids"] for text in GOLDEN_TEXTS]


def golden_conversations(renderer: Renderer) -> list[list[int]]:
    """Golden rows of a reward model, which reads answered conversations."""
    return [scored_ids(renderer, [*GOLDEN, {"role": "assistant", "content": text}]) for text in GOLDEN_TEXTS]


def scored_ids(renderer: Renderer, messages: list[dict[str, Any]]) -> list[int]:
    """A conversation up to the token that ends its last answer, where a reward model scores it."""
    rendered = renderer.render(Row(0, "golden", messages))
    last = max(number for number, weight in enumerate(rendered.weights) if weight)
    return rendered.ids[: last + 1]


def end_at_stop(renderer: Renderer) -> str | dict[str, str]:
    """The chat template, made to end an answered conversation with its stop token and nothing after it.

    Many templates write a line break there, which plain transformers would score instead of the answer's end.
    """
    rendered = renderer.render(Row(0, "golden", [*GOLDEN, GOLDEN_ANSWER]))
    begin, end = rendered.spans[-1]
    words_end = begin + rendered.text[begin:end].rindex(str(GOLDEN_ANSWER["content"])) + len(GOLDEN_ANSWER["content"])

    stop, template = json.dumps(rendered.text[words_end:end].strip()), renderer.chat_template
    if isinstance(template, dict):
        return {name: _trimmed(each, stop) for name, each in template.items()}
    return _trimmed(template, stop)


def _trimmed(template: str, stop: str) -> str:
    return (
        "{%- set whet_rendered -%}" + template + "{%- endset -%}"
        "{%- if add_generation_prompt -%}{{ whet_rendered }}"
        f"{{%- elif whet_rendered.rstrip().endswith({stop}) -%}}{{{{ whet_rendered.rstrip() }}}}"
        f"{{%- else -%}}{{{{ whet_rendered + {stop} }}}}{{%- endif -%}}"
    )


def threshold_facts(scorer: Scorer, method: Classify, outputs: Outputs, prepared: Prepared) -> dict[str, Any]:
    """From which probability each class is named, and on which rows that was chosen; empty where nothing is cut.

    Of two classes the second has a threshold; of more, the likeliest is named.
    """
    cut = outputs.task == "multi-label" or (outputs.task == "single" and outputs.count == 2)
    if not cut:
        return {}

    rows = prepared.validation.rows.tolist()
    facts: dict[str, Any] = {"chosen_on": {"part": "validation", "rows": len(rows), "sha256": rows_digest(rows)}}

    if method.thresholds == "half" or not rows:
        facts["chosen_on"] = None
        return facts | {"thresholds": [HALF] * outputs.count}

    classes_RK = encoded(outputs, targets_of(prepared, "validation")).numpy()
    probability_RK = probabilities(score_segments(scorer, prepared.validation), outputs.task)

    if outputs.task == "single":
        second = best_cut(probability_RK[:, 1], classes_RK[:, 1])
        threshold_K = np.array([1 - second, second])
    else:
        threshold_K = best_thresholds(probability_RK, classes_RK)

    def scores(cut_K: np.ndarray) -> list[float]:
        named_RK = probability_RK >= cut_K
        return [f1(named_R, there_R > HALF) for named_R, there_R in zip(named_RK.T, classes_RK.T, strict=True)]

    facts |= {"thresholds": threshold_K.tolist(), "validation_f1": scores(threshold_K)}
    return facts | {"validation_f1_at_half": scores(np.full(outputs.count, HALF))}


def rows_digest(rows: Sequence[int]) -> str:
    """sha256 of the numbers of some rows, whatever their order."""
    return hashlib.sha256(",".join(map(str, sorted(rows))).encode()).hexdigest()


@torch.no_grad()
def score_segments(scorer: Scorer, segments: Segments) -> np.ndarray:
    """Scores of rows of one segment, in the order of `segments`, shape (R, K)."""
    place = {row: number for number, row in enumerate(segments.rows.tolist())}
    score_RK = np.zeros((len(segments), scorer.head.out_features))
    with evaluating(scorer.policy.model):
        for batch in in_order(segments, READ_TOKENS):
            rows = [place[batch.rows[leaf]] for leaf in leaves_of(batch)]
            score_RK[rows] = scorer.scores(batch).double().cpu().numpy()
    return score_RK


def probabilities(score_RK: np.ndarray, task: str) -> np.ndarray:
    """Of each class, shape (R, K): softmax where a row has one class, a sigmoid each where it may have several."""
    if task == "multi-label":
        return sigmoid(score_RK)
    return softmax(score_RK)
