"""A run with a head: where it starts, what its loss sees, that its path is proved, and that it resumes exactly."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_models import segments_of, tiny
from whet.data.batches.loader import Loader, in_order
from whet.methods import method_of
from whet.methods.head import head_loss
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.heads import linear as head
from whet.model.heads.linear import Scorer, add_head
from whet.model.heads.sequence_classifier import score_rows
from whet.model.policy import Policy
from whet.observer import Silent
from whet.recipe.load import load_recipe
from whet.recipe.schema import Classify, Lora, Reward
from whet.store.run import Run
from whet.training.hooks import mean_loss
from whet.training.learners.classify import ClassifyLearner, Outputs, class_weights
from whet.training.learners.reward import RewardLearner, pair_scores
from whet.training.self_check import self_check
from whet.training.session import open_session, train
from whet.types import Segment

PAIRS = 9


def pairs() -> list[Segment]:
    random = torch.Generator().manual_seed(0)
    shapes: list[tuple[int, int | None]] = []
    for _ in range(PAIRS):
        lengths = torch.randint(2, 9, (3,), generator=random).tolist()
        root = len(shapes)
        shapes += [(lengths[0], None), (lengths[1], root), (lengths[2], root)]
    segments = segments_of(*shapes)
    for number, segment in enumerate(segments):
        segment.weights = [0.0 if segment.parent is None else 1.0] * len(segment.ids)
        segment.row = number // 3
    return segments


def scorer(outputs: int = 1) -> Scorer:
    model = add_adapter(tiny("Llama"), Lora(rank=4, alpha=8.0), seed=0)
    install_forest(model)
    add_head(model, outputs)
    return Scorer(Policy(model))


def reward(margins: dict[int, Any] | None = None, stir: bool = False) -> RewardLearner:
    made = scorer()
    if stir:
        with torch.no_grad():
            made.head.weight.normal_(0, 1, generator=torch.Generator().manual_seed(1))
    return RewardLearner(made, Loader(pairs(), 90, 40, 0, per_tree=True), Reward(), margins or {})


def test_the_first_loss_is_ln_2_and_its_gradient_is_not_zero() -> None:
    method = reward()
    seen = 0.0
    for step in range(method.source.steps_per_epoch):  # type: ignore[attr-defined]
        for batch in method.batches(step):
            out = method.loss(batch)
            total, count = out.metrics["loss"]
            assert total / count == pytest.approx(math.log(2), rel=1e-6) and count == batch.weight
            assert out.metrics["margin"][0] == 0.0
            out.total.backward()
            seen += count
    assert seen == PAIRS
    assert method.scorer.head.weight.grad is not None and float(method.scorer.head.weight.grad.norm()) > 1e-3


def test_the_loss_does_not_depend_on_how_the_pairs_are_batched() -> None:
    method = reward(stir=True)
    found = [
        mean_loss(method.scorer.policy, method.loss, in_order(pairs(), size, per_tree=True)) for size in (20, 60, 500)
    ]
    assert found[0] != pytest.approx(math.log(2), abs=1e-2)
    assert found[1] == pytest.approx(found[0], rel=1e-4) and found[2] == pytest.approx(found[0], rel=1e-4)


def test_the_chosen_answer_comes_first_and_margins_find_their_pair() -> None:
    segments = pairs()
    plain, wanting = reward(stir=True), reward({0: 0.7, 4: -0.2}, stir=True)
    with torch.no_grad():
        [batch] = in_order(segments, 10_000, per_tree=True)
        scores = pair_scores(plain.scorer, batch)
        chosen = segments[0].ids + segments[1].ids
        first = [n for n, parent in enumerate(batch.parents) if parent is None].index(batch.rows.index(0))
        torch.testing.assert_close(scores[0, first], score_rows(plain.scorer, [chosen])[0, 0], rtol=1e-4, atol=1e-5)
        difference = {batch.rows[n]: d for n, d in zip(range(0, 27, 3), (scores[0] - scores[1]).tolist(), strict=True)}

        def loss(margin: dict[int, float]) -> float:
            return sum(math.log1p(math.exp(margin.get(row, 0.0) - d)) for row, d in difference.items())

        center = 0.01 * float((scores[0] + scores[1]).square().sum())
        assert float(plain.loss(batch).total) == pytest.approx(loss({}) + center, rel=1e-4)
        assert float(wanting.loss(batch).total) == pytest.approx(loss({0: 0.7, 4: -0.2}) + center, rel=1e-4)


def test_a_class_weight_is_rows_over_classes_times_rows_of_the_class() -> None:
    outputs, balanced = Outputs("single", ("a", "b")), Classify(class_weights="balanced")
    weights = class_weights(balanced, outputs, [["a"], ["a"], ["a"], ["b"]])
    assert weights is not None
    torch.testing.assert_close(weights, torch.tensor([4 / (2 * 3), 4 / (2 * 1)]))
    assert class_weights(Classify(), outputs, [["a"], ["b"]]) is None
    several = class_weights(Classify(class_weights="balanced"), Outputs("multi-label", ("a", "b")), [["a"], ["a"], []])
    assert several is not None
    torch.testing.assert_close(several, torch.tensor([1 / 2, 2.0]))


def test_each_row_is_classified_as_its_own_label() -> None:
    segments = segments_of(*((length, None) for length in (4, 7, 3, 5)))
    made = scorer(3)
    with torch.no_grad():
        made.head.weight.normal_(0, 1, generator=torch.Generator().manual_seed(1))
    [batch] = in_order(segments, 10_000, per_tree=True)
    best = made.scores(batch).argmax(-1).tolist()
    names = ("a", "b", "c")
    targets: dict[int, Any] = {batch.rows[n]: [names[k]] for n, k in enumerate(best)}
    method = ClassifyLearner(made, Loader(segments, 50, 50, 0, per_tree=True), Outputs("single", names), None, targets)
    assert method.loss(batch).metrics["accuracy"] == (4.0, 4.0)


def test_the_self_check_reads_the_head_and_finds_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    [batch] = in_order(pairs(), 10_000, per_tree=True)
    policy = scorer().policy
    check = self_check(policy, batch, "auto", head_loss(policy))
    assert check.path == "fused" and check.passed and check.loss_plain
    assert float(Scorer(policy).head.weight.detach().norm()) == 0.0, "the head is as it was"
    right = head.last_tokens
    for wrong in (lambda batch: right(batch) - 1, lambda batch: right(batch).flip(0)):
        monkeypatch.setattr(head, "last_tokens", wrong)
        policy = scorer().policy
        check = self_check(policy, batch, "auto", head_loss(policy))
        assert not check.passed and check.path == "plain"


ROWS: dict[str, list[dict[str, Any]]] = {
    "reward": [
        {"prompt": f"Say the code {n * 37 % 1000}.", "chosen": f"The code is {n * 37 % 1000}.", "rejected": "No."}
        for n in range(60)
    ],
    "classify": [
        {"text": f"{('Send', 'Keep')[n % 2]} parcel {n * 37 % 1000}.", "label": ("send", "keep")[n % 2]}
        for n in range(60)
    ],
}


class Killed(Silent):
    """Ends the run after a step, as a kill would."""

    def __init__(self, after: int) -> None:
        self.after = after

    def step(self, done: int, total: int, facts: dict[str, float]) -> None:
        if "loss" in facts and done == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("adapter", ["lora", "full"])
@pytest.mark.parametrize("method", ROWS)
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, method: str, adapter: str) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS[method]))
    settings = [f"method={method}", f"adapter={adapter}", "steps=8", "batch_tokens=256", "checkpoint_every=2"]
    settings += ["evaluate.every=3", "evaluate.early_stop=false", "dtype=float32", "split.near_duplicates=false"]

    def run(name: str, observer: Silent) -> Run:
        made = Run.create(tmp_path / "runs", load_recipe(data, settings), name)
        train(open_session(made.recipe, made, method_of, observer), observer)
        return made

    whole = run("whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        run("cut", Killed(5))
    cut = run("cut", Silent())
    one, other = (load_file(str(made.model / "model.safetensors")) for made in (whole, cut))
    assert one.keys() == other.keys() and "score.weight" in one and float(one["score.weight"].abs().sum()) > 0
    assert all(torch.equal(one[name], other[name]) for name in one)
    numbers = ("step", "loss", "validation_loss", "grad_norm")
    kept = [[{key: line[key] for key in numbers if key in line} for line in made.metrics()] for made in (whole, cut)]
    assert kept[0] == kept[1]
    assert kept[0][0]["validation_loss"] == pytest.approx(math.log(2), abs=1e-6)
