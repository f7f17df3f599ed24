"""distil: the model's own answers, the reverse KL at each of their tokens, and the same numbers as TRL's GKD."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.tiny_models import segments_of, tiny
from whet.data.batches.forest import segments_of as segments_in
from whet.data.batches.prompt_loader import PromptLoader
from whet.errors import ModelError, RunFolderError
from whet.generation.teacher import (
    Teacher,
    is_base,
    open_teacher,
    refuse_changed_teacher,
    refuse_other_tokens,
    refuse_shorter_sight,
)
from whet.losses.divergence import divergence_loss
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.base import load_tokenizer
from whet.model.logits.divergence import token_divergence
from whet.model.logits.logprob import Head
from whet.model.policy import Policy
from whet.recipe.schema import Distil, Lora
from whet.rewards.combine import Rewards
from whet.training.learners.distil import DistilLearner
from whet.training.learners.rollout import Sampler
from whet.types import Batch, Row, Segment

STOP = 2
ANSWER = 6


def prompts(count: int = 6) -> list[Segment]:
    made = segments_of(*[(3 + n % 3, None) for n in range(count)])
    for row, segment in enumerate(made):
        segment.row, segment.weights = row, [0.0] * len(segment.ids)
    return made


def teacher_of(seed: int) -> Teacher:
    model = tiny("Llama", seed=seed)
    install_forest(model)
    tokenizer = load_tokenizer("nano")
    return Teacher(f"seed {seed}", Policy(model), tokenizer, None, 64, str(seed))  # type: ignore[arg-type]


def method(teacher_seed: int = 7, samples: int = 2) -> DistilLearner:
    model = add_adapter(tiny("Llama"), Lora(rank=4, alpha=8.0), seed=0)
    install_forest(model)
    policy = Policy(model)
    settings = Distil(teacher="t", prompts=3, samples=samples, max_new_tokens=ANSWER)
    rows = {row: Row(row, str(row), [{"role": "user", "content": "x"}]) for row in range(6)}
    sampler = Sampler(policy, load_tokenizer("nano"), frozenset({STOP}), 64, Rewards([]), rows, ANSWER, seed=3)
    loader = PromptLoader(prompts(), 3, ANSWER, 40, seed=3)
    return DistilLearner(policy, teacher_of(teacher_seed), sampler, loader, settings, prompts(4))


def by_hand(distilling: DistilLearner, batch: Batch) -> Tensor:
    """KL(student || teacher) at each token of each path, from full logits of both models, one path at a time."""
    segments, found = segments_in(batch), []
    for segment in segments:
        if segment.parent is None:
            continue
        before = segments[segment.parent].ids
        ids, places = before + segment.ids, range(len(before) - 1, len(before) + len(segment.ids) - 1)
        student, teacher = (
            model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)
            for model in (distilling.policy.model, distilling.teacher.policy.model)
        )
        found += [(student[p].exp() * (student[p] - teacher[p])).sum() for p in places]
    return torch.stack(found).sum()


def test_the_step_is_made_of_the_models_own_answers_and_is_the_same_again() -> None:
    distilling = method()
    first, again = distilling.batches(4), distilling.batches(4)
    other = distilling.batches(5)
    assert [b.ids_T.tolist() for b in first] == [b.ids_T.tolist() for b in again]
    assert [b.ids_T.tolist() for b in first] != [b.ids_T.tolist() for b in other]
    answers = sum(parent is not None for batch in first for parent in batch.parents)
    assert answers == 3 * 2
    assert sum(batch.weight for batch in first) == sum(len(batch.target_N) for batch in first) > 0


def test_the_same_prompts_are_answered_anew_at_each_step() -> None:
    distilling = method()
    same = prompts(3)
    distilling.loader.prompts = lambda rollout: same  # type: ignore[method-assign]
    first, second = (distilling.batches(step) for step in (0, 1))
    assert [b.ids_T.tolist() for b in first] != [b.ids_T.tolist() for b in second]


def test_loss_and_gradient_are_those_of_full_logits() -> None:
    distilling = method()
    gradients, values = [], []
    for ours in (True, False):
        for batch in distilling.batches(0):
            total = distilling.loss(batch).total if ours else by_hand(distilling, batch)
            total.backward()
            values.append(float(total.detach()))
        trained = distilling.policy.trainable().values()
        gradients.append(torch.cat([p.grad.flatten() for p in trained if p.grad is not None]))
        for parameter in trained:
            parameter.grad = None
    half = len(values) // 2
    assert values[:half] == pytest.approx(values[half:], rel=1e-4) and sum(values[:half]) > 0.1
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-4)
    assert gradients[0].norm() > 1e-2


def test_nothing_flows_into_the_teacher() -> None:
    distilling = method()
    distilling.teacher.policy.model.requires_grad_(True)
    for batch in distilling.batches(0):
        distilling.loss(batch).total.backward()
    assert all(p.grad is None for p in distilling.teacher.policy.model.parameters())


def test_a_teacher_that_is_the_student_teaches_nothing() -> None:
    distilling = method(teacher_seed=0)
    for batch in [*distilling.batches(0), *distilling.validation([])]:
        assert float(distilling.loss(batch).total) == pytest.approx(0, abs=1e-3)


def test_validation_is_greedy_and_reads_every_prompt() -> None:
    distilling = method()
    one, two = list(distilling.validation([])), list(distilling.validation([]))
    assert [b.ids_T.tolist() for b in one] == [b.ids_T.tolist() for b in two]
    assert {row for batch in one for row in batch.rows} == {0, 1, 2, 3}


def test_the_log_says_what_was_written_once_a_step() -> None:
    distilling = method()
    batches = distilling.batches(0)
    seen = [distilling.loss(batch).metrics for batch in batches]
    assert seen[0]["answer_tokens"] == (sum(b.weight for b in batches), 6.0) and "rollout_seconds" in seen[0]
    assert all("answer_tokens" not in metrics for metrics in seen[1:])


def test_the_loss_is_that_of_trl_on_the_same_numbers() -> None:
    gkd = import_module("trl.experimental.gkd")
    random = torch.Generator().manual_seed(0)
    positions, hidden, words = 30, 8, 40
    labels = torch.arange(positions).where(torch.arange(positions) % 4 != 0, torch.tensor(-100))
    teacher_ND = torch.randn(positions, hidden, generator=random)
    weights = [torch.randn(words, hidden, generator=random) for _ in range(2)]
    start = torch.randn(positions, hidden, generator=random)
    for direction, beta in (("reverse", 1.0), ("forward", 0.0)):
        theirs_ND, ours_ND = (start.clone().requires_grad_() for _ in range(2))
        theirs = gkd.GKDTrainer.generalized_jsd_loss(
            (theirs_ND @ weights[0].T)[None], (teacher_ND @ weights[1].T)[None], labels=labels[None], beta=beta
        )
        theirs.backward()
        kept = labels != -100
        found_N = token_divergence(ours_ND[kept], Head(weights[0]), teacher_ND[kept], Head(weights[1]), direction)  # type: ignore[arg-type]
        ours = divergence_loss(found_N, torch.ones(int(kept.sum()))).total / kept.sum()
        ours.backward()
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours_ND.grad, theirs_ND.grad, rtol=1e-5, atol=1e-5)


def test_a_teacher_of_other_tokens_is_refused() -> None:
    class Other:
        def get_vocab(self) -> dict[str, int]:
            return {"a": 0}

    teacher = teacher_of(0)
    refuse_other_tokens(teacher, load_tokenizer("nano"))
    with pytest.raises(ModelError, match="another tokenizer"):
        refuse_other_tokens(teacher, Other())


def test_a_teacher_that_sees_less_than_a_row_is_refused() -> None:
    refuse_shorter_sight(teacher_of(0), 64)
    with pytest.raises(ModelError, match="sees 64 tokens"):
        refuse_shorter_sight(teacher_of(0), 65)


def test_a_teacher_that_changed_is_refused(tmp_path: Path) -> None:
    from whet.store.run import Run

    run = Run(tmp_path)
    refuse_changed_teacher(run, teacher_of(1))
    refuse_changed_teacher(run, teacher_of(1))
    with pytest.raises(RunFolderError, match="other weights"):
        refuse_changed_teacher(run, teacher_of(2))


def test_a_teacher_is_a_base_or_a_run(tmp_path: Path) -> None:
    assert is_base("nano") and is_base("org/model") and not is_base("my-run")
    teacher = open_teacher("nano", tmp_path, torch.float32)
    assert teacher.policy.use_forest and not any(p.requires_grad for p in teacher.policy.model.parameters())
    with pytest.raises(ModelError, match="no such teacher"):
        open_teacher("my-run", tmp_path, torch.float32)
