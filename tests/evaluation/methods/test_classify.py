"""What a classifier names is scored as its task says, against the best that needs no training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from whet.data.render.renderer import Renderer
from whet.evaluation.methods import label_likelihood as likelihoods
from whet.evaluation.methods.classify import name_classes, score_names, table
from whet.evaluation.methods.label_likelihood import answer_ids, most_likely_labels
from whet.evaluation.methods.regression import regression_errors
from whet.evaluation.models import EvaluatedModel
from whet.model.architecture_proof import install_forest
from whet.model.base import load_base
from whet.model.policy import Policy
from whet.training.learners.classify import Outputs
from whet.types import Row

ABC = ("a", "b", "c")
PROBABILITY = np.array([[0.6, 0.3, 0.1], [0.2, 0.35, 0.45]])


def test_each_task_names_classes_in_its_own_way() -> None:
    assert name_classes(Outputs("single", ABC), PROBABILITY, None) == [["a"], ["c"]]
    assert name_classes(Outputs("multi-label", ABC), PROBABILITY, [0.5, 0.3, 0.5]) == [["a", "b"], ["b"]]
    assert name_classes(Outputs("multi-label", ABC), PROBABILITY, [0.9, 0.9, 0.9]) == [[], []]
    two = np.array([[0.7, 0.3], [0.8, 0.2]])
    assert name_classes(Outputs("single", ("no", "yes")), two, [0.75, 0.25]) == [["yes"], ["no"]]


def test_a_row_of_several_classes_scores_the_f1_of_what_was_named() -> None:
    wanted, named = [["a", "b"], [], [], ["c"]], [["b"], [], ["a"], ["c"]]
    values = [score.value for score in score_names("multi-label", wanted, named)]
    assert values == [pytest.approx(2 / 3), 1.0, 0.0, 1.0]
    assert [score.value for score in score_names("single", [["a"], ["b"]], [["a"], ["c"]])] == [1.0, 0.0]


def test_macro_f1_counts_every_class_of_the_test_rows_the_unknown_too() -> None:
    found = table([["a"], ["a"], ["b"], ["z"]], [["a"], ["b"], ["b"], ["a"]])
    kept = {name: (entry["rows"], entry["given"], entry["f1"]) for name, entry in found["labels"].items()}
    assert kept == {"a": (2, 2, 0.5), "b": (1, 2, pytest.approx(2 / 3)), "z": (1, 0, 0.0)}
    assert found["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 3) and found["accuracy"] == 0.5
    assert found["confusion"]["classes"] == ["a", "b", "z", "(other)"]


def test_errors_of_numbers_are_their_definitions() -> None:
    found = regression_errors(np.array([1.0, 3.0]), np.array([0.0, 4.0]))
    assert found == {"mae": 1.0, "rmse": 1.0, "r_squared": pytest.approx(1 - 2 / 8)}


def test_the_likeliest_name_is_the_one_of_the_highest_mean_log_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    base = load_base("nano", torch.float32)
    install_forest(base.model)
    renderer, names = Renderer(base.tokenizer), ("the old town hall of the river towns", "xq", "z")
    texts = ("It eats grass.", "Built 1900.")
    rows = [Row(n, "t", [{"role": "user", "content": text}]) for n, text in enumerate(texts)]
    side = EvaluatedModel("base", Policy(base.model))
    found, by_sum = [], []
    for row in rows:
        prompt = renderer.prompt_ids(
            [{"role": "user", "content": likelihoods.ASK.format(text=row.prompt[0]["content"], names=", ".join(names))}]
        )
        means, sums = [], []
        for name in names:
            answer = answer_ids(renderer, name)
            with torch.no_grad():
                logits = base.model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
            each = [logits[len(prompt) + n - 1, token].item() for n, token in enumerate(answer)]
            means.append(np.mean(each))
            sums.append(np.sum(each))
        found.append(names[int(np.argmax(means))])
        by_sum.append(names[int(np.argmax(sums))])
    assert most_likely_labels(side, renderer, rows, names, base.context) == found != by_sum
    monkeypatch.setattr(likelihoods, "READ_TOKENS", 10)
    assert most_likely_labels(side, renderer, rows, names, base.context) == found
    assert answer_ids(renderer, "horse")[-1] in renderer.stop_ids
