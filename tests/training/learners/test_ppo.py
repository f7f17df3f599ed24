"""ppo in the loop: the first ratio is 1, values begin at 0 and learn, the KL is in the reward, no head is left over."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tiny_models import tiny
from tests.training.learners.test_rollout import NEW, PROMPTS, STOP, Notes, even, prompts, tiny_tokenizer
from whet.data.batches.prompt_loader import PromptLoader
from whet.losses.ppo import gae, token_rewards, whitened
from whet.model.adapter import add_adapter, causal_lm
from whet.model.architecture_proof import install_forest
from whet.model.logits.entropy import token_entropy
from whet.model.policy import Policy
from whet.recipe.schema import Full, Lora, Ppo
from whet.recipe.sections.rewards import Exact
from whet.rewards.combine import Component, Rewards
from whet.training.learners.ppo import PpoLearner, places
from whet.training.learners.rollout import RolloutBatch, Sampler
from whet.types import Row

SAMPLES = 2


def method(budget: int = 60, moved: bool = False, adapter: Lora | Full | None = None, **keys: Any) -> PpoLearner:
    settings = Ppo(rewards=[Exact()], prompts=PROMPTS, samples=SAMPLES, max_new_tokens=NEW, **keys)
    model = add_adapter(tiny("Llama"), adapter or Lora(rank=4, alpha=8.0), seed=0)
    install_forest(model)
    policy = Policy(model)
    rows = {n: Row(n, f"a:{n}", [{"role": "user", "content": "q"}]) for n in range(PROMPTS)}
    sampler = Sampler(policy, tiny_tokenizer(), STOP, 64, Rewards([Component("even", 1.0, even)]), rows, NEW, 0)
    loader = PromptLoader(prompts(), PROMPTS, NEW, budget, 0)
    made = PpoLearner(policy, sampler, loader, settings, SAMPLES, settings.updates, prompts()[:3], Notes())
    if moved:
        random = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in policy.trainable().items():
                if "lora_B" in name or "score" in name:
                    parameter.normal_(0, 0.05, generator=random)
    return made


def learned(made: PpoLearner, step: int = 0) -> list[RolloutBatch]:
    found = made.batches(step)
    assert found, "the loops over them look at something"
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("critic", ["shared", "frozen"])
def test_the_first_ratio_is_exactly_one_and_the_first_values_are_nought(critic: str) -> None:
    made = method(critic=critic)
    for batch in learned(made):
        assert batch.old_value_N is not None and batch.old_value_N.abs().max() == 0
        out = made.loss(batch)
        total, tokens = out.metrics["ratio"]
        assert total == tokens == len(batch.target_N) and out.metrics["clipped"][0] == 0
        assert torch.equal(batch.old_N, made.policy.logprobs(batch).detach())  # type: ignore[arg-type]


def test_advantages_are_those_of_rewards_kl_and_values() -> None:
    made = method(budget=1000, moved=True, kl=0.3, discount=0.9)
    rollout = made.sampler.draw(made.loader.prompts(0), SAMPLES, 0)
    [batch] = learned(made)
    policy_N = made.policy.logprobs(batch).detach()
    value_N = made.critic.values(made.policy.hidden(batch), batch).detach()
    assert batch.reference_N is not None and value_N.abs().max() > 0
    shape = (PROMPTS * SAMPLES, NEW)
    kl, value, mask = torch.zeros(shape), torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
    seen = [0] * shape[0]
    for n, answer in enumerate(batch.answer_N.tolist()):
        place = (answer, seen[answer])
        kl[place], value[place], mask[place] = policy_N[n] - batch.reference_N[n], value_N[n], True
        seen[answer] += 1
    assert seen == rollout.tokens_A.int().tolist()
    reward = token_rewards(torch.tensor(rollout.scores.total), kl, mask.sum(1) - 1, 0.3)
    expected = gae(reward, value, mask, 0.9, 0.95)
    flat = (batch.answer_N, places(batch.answer_N))
    torch.testing.assert_close(batch.return_N, (expected + value)[flat], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(batch.advantage_N, whitened(expected[mask])[_order(batch)], rtol=1e-3, atol=1e-3)


def _order(batch: RolloutBatch) -> torch.Tensor:
    """Where each token of the batch lies when all tokens are sorted by answer and place."""
    key = batch.answer_N * 100 + places(batch.answer_N)
    return torch.empty_like(key).scatter(0, key.argsort(), torch.arange(len(key)))


def test_the_step_does_not_depend_on_the_micro_batch() -> None:
    found = []
    for budget in (18, 60, 1000):
        made = method(budget=budget, moved=True, entropy=0.01)
        batches = learned(made)
        weight = sum(batch.weight for batch in batches)
        for batch in batches:
            (made.loss(batch).total / weight).backward()
        found.append(torch.cat([p.grad.flatten() for p in made.policy.trainable().values() if p.grad is not None]))
    assert found[0].norm() > 1e-3
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=2e-3, atol=2e-5)


def test_the_value_head_learns_what_to_expect() -> None:
    made = method(updates=60, kl=0.0, value_weight=1.0, value_clip=10.0)
    optimizer = torch.optim.Adam(made.policy.trainable().values(), lr=5e-3)
    losses = []
    for step in range(60):
        outs = [made.loss(batch) for batch in learned(made, step)]
        losses.append(sum(out.metrics["value_loss"][0] for out in outs))
        optimizer.zero_grad()
        torch.stack([out.total for out in outs]).sum().backward()
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]


def test_a_frozen_critic_reads_the_base_alone() -> None:
    made = method(critic="frozen", moved=True, budget=1000)
    [batch] = learned(made)
    before = made.critic.values(made.policy.hidden(batch), batch)
    with torch.no_grad():
        for name, parameter in made.policy.trainable().items():
            if "lora" in name:
                parameter.add_(0.3)
    assert torch.equal(made.critic.values(made.policy.hidden(batch), batch), before)
    before.sum().backward()
    trained = [name for name, p in made.policy.trainable().items() if p.grad is not None and p.grad.abs().sum() > 0]
    assert len(trained) == 1 and "score" in trained[0]


def test_the_weight_of_the_kl_is_steered_and_remembered() -> None:
    made = method(moved=True, kl=0.1, kl_target=1e-4, updates=1)
    first = learned(made)[0].facts
    assert first["kl_weight"] == (0.1, 1.0) and first["kl_answer"][0] > 0
    assert made.state["kl_weight"] > 0.1
    again = method(moved=True, kl=0.1, kl_target=1e-4, updates=1)
    again.state = dict(made.state)
    assert learned(again, 1)[0].facts["kl_weight"] == learned(made, 1)[0].facts["kl_weight"]


@pytest.mark.parametrize("adapter", [Lora(rank=4, alpha=8.0), Full()], ids=["lora", "full"])
def test_the_model_that_is_saved_has_no_value_head_and_all_its_words(adapter: Lora | Full) -> None:
    made = method(adapter=adapter, kl=0.0)
    trained = set(made.policy.trainable())
    words = [name for name in trained if "score" not in name]
    assert len(words) == len(trained) - 1
    if isinstance(adapter, Full):
        assert len(words) == len(list(causal_lm(made.policy.model).parameters())) - 1
    made.finish()
    assert not hasattr(causal_lm(made.policy.model), "score")


def test_entropy_is_that_of_the_whole_distribution() -> None:
    model = tiny("Gemma2")
    install_forest(model)
    policy = Policy(model)
    made = method(budget=1000)
    [batch] = learned(made)
    hidden = policy.hidden(batch).detach().requires_grad_(True)
    found = token_entropy(hidden, policy.head)
    logits = model.lm_head(hidden) / model.config.final_logit_softcapping
    logprobs = (logits.tanh() * model.config.final_logit_softcapping).log_softmax(-1)
    expected = -(logprobs.exp() * logprobs).sum(-1)
    torch.testing.assert_close(found, expected)
    [mine] = torch.autograd.grad(found.sum(), hidden)
    [theirs] = torch.autograd.grad(expected.sum(), hidden)
    torch.testing.assert_close(mine, theirs)
    assert mine.abs().sum() > 0
