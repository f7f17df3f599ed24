"""Rollouts: every answer is learned once, with its own reward, from exactly where the policy stood when it wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.tiny_models import tiny, tiny_tokenizer
from whet.data.batches.forest import path_to
from whet.data.batches.prompt_loader import PromptLoader
from whet.losses.policy_gradient import group_advantages, leave_one_out
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.policy import Policy
from whet.recipe.schema import Grpo, Lora, Rloo
from whet.recipe.sections.rewards import Exact
from whet.rewards.combine import Component, Rewards
from whet.training.learners.grpo import GrpoLearner
from whet.training.learners.on_policy import OnPolicyLearner, old_logprobs
from whet.training.learners.rloo import RlooLearner
from whet.training.learners.rollout import Rollout, RolloutBatch, Sampler, build_batches, ids_of
from whet.types import Row, Segment

PROMPTS, SAMPLES, NEW = 6, 4, 7
STOP = frozenset({2, 5, 9, 14})


def even(prompts: Sequence[Any], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
    """The share of even numbers."""
    found = [[int(word) for word in answer.split() if word.isdigit()] for answer in answers]
    return [sum(n % 2 == 0 for n in numbers) / len(numbers) if numbers else 0.0 for numbers in found]


def same(prompts: Sequence[Any], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
    return [1.0] * len(answers)


class Notes:
    """An observer that keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def phase(self, name: str, total: int | None = None) -> None: ...

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def done(self) -> None: ...


def prompts() -> list[Segment]:
    random = torch.Generator().manual_seed(3)
    lengths = torch.randint(2, 9, (PROMPTS,), generator=random).tolist()
    return [
        Segment(torch.randint(3, 61, (length,), generator=random).tolist(), [0.0] * length, row)
        for row, length in enumerate(lengths)
    ]


def method(
    settings: Grpo | Rloo, score: Any = even, budget: int = 60, seed: int = 0, moved: bool = False
) -> OnPolicyLearner[Any]:
    model = add_adapter(tiny("Llama"), Lora(rank=4, alpha=8.0), seed=0)
    install_forest(model)
    policy = Policy(model)
    if moved:
        with torch.no_grad():
            for name, parameter in policy.trainable().items():
                if "lora_B" in name:
                    parameter.normal_(0, 0.05, generator=torch.Generator().manual_seed(1))
    rows = {n: Row(n, f"a:{n}", [{"role": "user", "content": "q"}]) for n in range(PROMPTS)}
    rewards = Rewards([Component("even", 1.0, score)])
    sampler = Sampler(policy, tiny_tokenizer(), STOP, 64, rewards, rows, NEW, seed)
    loader = PromptLoader(prompts(), settings.prompts, NEW, budget, seed)
    kind: Any = GrpoLearner if isinstance(settings, Grpo) else RlooLearner
    return kind(policy, sampler, loader, settings, SAMPLES, settings.updates, prompts()[:3], Notes())


def grpo(**keys: Any) -> Grpo:
    return Grpo(**{"rewards": [Exact()], "prompts": PROMPTS, "samples": SAMPLES, "max_new_tokens": NEW, **keys})


def rloo(**keys: Any) -> Rloo:
    return Rloo(**{"rewards": [Exact()], "prompts": PROMPTS, "samples": SAMPLES, "max_new_tokens": NEW, **keys})


def learned(made: OnPolicyLearner[Any], step: int = 0) -> list[RolloutBatch]:
    found = made.batches(step)
    assert found and all(isinstance(batch, RolloutBatch) for batch in found)
    return found  # type: ignore[return-value]


def draw(made: OnPolicyLearner[Any], number: int = 0) -> Rollout:
    return made.sampler.draw(made.loader.prompts(number), SAMPLES, number)


@pytest.mark.parametrize("budget", [16, 40, 1000])
def test_every_answer_stands_once_behind_its_own_prompt(budget: int) -> None:
    rollout = draw(method(grpo()))
    batches = build_batches(rollout, range(PROMPTS * SAMPLES), budget)
    seen: list[int] = []
    for batch in batches:
        segments = [Segment([0], [0.0], 0, parent) for parent in batch.parents]
        ids = batch.ids_T.tolist()
        for number, parent in enumerate(batch.parents):
            if parent is None:
                continue
            [answer] = set(batch.answer_N[batch.segment_N == number].tolist())
            seen.append(answer)
            path = [ids[batch.starts[n] : batch.starts[n] + batch.lengths[n]] for n in path_to(segments, number)]
            assert path == [rollout.prompts[answer // SAMPLES].ids, ids_of(rollout.answers[answer])]
            assert batch.target_N[batch.segment_N == number].tolist() == path[1]
    assert sorted(seen) == list(range(PROMPTS * SAMPLES))
    assert len(batches) == 1 if budget == 1000 else len(batches) > 1
    ended = [answer for answer in rollout.answers if answer.finished]
    assert ended and all(ids_of(answer)[-1] in STOP for answer in ended), "the stop token is learned, too"


def test_what_the_sampler_says_of_a_token_is_what_the_policy_says() -> None:
    made = method(grpo(), moved=True)
    batches = build_batches(draw(made), range(PROMPTS * SAMPLES), 40)
    assert len(batches) > 1
    for batch in batches:
        torch.testing.assert_close(made.policy.logprobs(batch).detach(), batch.sampled_N, rtol=1e-4, atol=1e-4)


def test_a_rollout_depends_on_seed_and_number_alone() -> None:
    made, again, other = method(grpo()), method(grpo()), method(grpo(), seed=1)
    draw(made, 7)
    torch.rand(5)

    def written(one: OnPolicyLearner[Any], number: int) -> list[list[int]]:
        return [answer.ids for answer in one.sampler.draw(prompts(), SAMPLES, number).answers]

    assert written(made, 2) == written(again, 2)
    assert written(made, 2) != written(made, 3)
    assert written(made, 2) != written(other, 2)


@pytest.mark.parametrize("settings", [grpo(kl=0.1), rloo(), grpo(mean="answers"), grpo(mean="constant", scale="none")])
def test_the_first_update_begins_at_ratio_one(settings: Grpo | Rloo) -> None:
    made = method(settings, moved=True)
    for batch in learned(made):
        out = made.loss(batch)
        assert batch.old_N is not None
        assert torch.equal(batch.old_N, made.policy.logprobs(batch).detach()), "so the ratio is exactly 1"
        assert out.metrics["clipped"][0] == 0
        advantage_N = batch.advantage_A[batch.answer_N]
        if isinstance(settings, Grpo):
            kl = settings.kl * out.metrics["kl"][0] if settings.kl else 0.0
            expected = float(-(advantage_N * batch.weight_N).sum()) + kl * float(batch.weight_N[0])
        else:
            expected = -float(batch.advantage_A[batch.answer_N.unique()].sum())
        assert out.total.item() == pytest.approx(expected, abs=1e-5)


def test_advantages_are_those_of_the_rewards() -> None:
    for settings, advantages in ((grpo(), group_advantages), (rloo(kl=0.0), leave_one_out)):
        made = method(settings)
        expected = advantages(draw(made).reward_PG, "group" if settings.kind == "grpo" else False)  # type: ignore[arg-type]
        for batch in learned(made):
            assert torch.equal(batch.advantage_A, expected.flatten())


def test_the_base_is_read_with_the_adapter_off() -> None:
    for moved in (False, True):
        made = method(grpo(kl=0.5), moved=moved)
        kl = [made.loss(batch).metrics["kl"] for batch in learned(made)]
        assert all(total == 0 for total, _ in kl) if not moved else all(total > 0 for total, _ in kl)
        far = method(rloo(kl=0.5), moved=moved)
        total, _ = learned(far)[0].facts["kl"]
        assert abs(total) < 1e-4 if not moved else abs(total) > 0.01


def test_the_distance_from_the_base_is_taken_from_the_reward() -> None:
    made = method(rloo(kl=0.5), moved=True, budget=1000)
    [batch] = learned(made)
    own_N = made.policy.logprobs(batch).detach()
    assert batch.reference_N is not None
    kl_A = torch.zeros(PROMPTS * SAMPLES).index_add(0, batch.answer_N, own_N - batch.reference_N)
    expected = leave_one_out(draw(made).reward_PG - 0.5 * kl_A.view(PROMPTS, SAMPLES), False)
    torch.testing.assert_close(batch.advantage_A, expected.flatten(), rtol=1e-4, atol=1e-4)


def gradient(made: OnPolicyLearner[Any], batches: list[RolloutBatch]) -> torch.Tensor:
    weight = sum(batch.weight for batch in batches)
    for batch in batches:
        (made.loss(batch).total / weight).backward()
    found = []
    for parameter in made.policy.trainable().values():
        assert parameter.grad is not None
        found.append(parameter.grad.flatten())
        parameter.grad = None
    return torch.cat(found)


@pytest.mark.parametrize("settings", [grpo(), grpo(mean="answers", kl=0.1), rloo()])
def test_the_step_does_not_depend_on_the_micro_batch(settings: Grpo | Rloo) -> None:
    found = []
    for budget in (18, 60, 1000):
        made = method(settings, budget=budget, moved=True)
        found.append(gradient(made, learned(made)))
    assert found[0].norm() > 1e-3
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-3, atol=1e-5)


def test_groups_that_say_nothing_are_skipped_counted_and_leave_the_step_as_it_was() -> None:
    def some(prompts: Sequence[Any], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
        found = even(prompts, answers, rows)
        return [value if row.index % 2 else 1.0 for value, row in zip(found, rows, strict=True)]

    made = method(grpo(), some)
    batches = learned(made)
    assert {batch.rows[n] for batch in batches for n in batch.segment_N.tolist()} == {1, 3, 5}
    assert batches[0].facts["groups_alike"] == (3, 6)
    tokens = sum(len(ids_of(answer)) for answer in draw(made).answers)
    assert sum(batch.weight for batch in batches) == pytest.approx(tokens), "the mean is over all answers, as TRL's"
    skipped = gradient(made, batches)
    whole = build_batches(draw(made), range(PROMPTS * SAMPLES), 60)
    for batch in whole:
        batch.advantage_A, batch.weight = batches[0].advantage_A, tokens / len(whole)
    torch.testing.assert_close(gradient(made, whole), skipped, rtol=1e-3, atol=1e-6)


def test_a_step_where_nothing_differs_teaches_nothing() -> None:
    made = method(grpo(), same)
    batches = learned(made)
    assert gradient(made, batches).abs().max() == 0
    assert any("'even' is 1 for every one" in note for note in made.observer.notes)  # type: ignore[attr-defined]


@pytest.mark.parametrize("settings", [grpo(overlong="mask"), rloo(overlong="mask", kl=0.0)])
def test_answers_that_were_cut_off_can_be_left_out(settings: Grpo | Rloo) -> None:
    made = method(settings)
    answers = draw(made).answers
    cut = {n for n, answer in enumerate(answers) if not answer.finished}
    assert cut and len(cut) < len(answers)
    learned_from = {n for batch in learned(made) for n in batch.answer_N.tolist()}
    assert learned_from and not learned_from & cut
    assert made.batches(0)[0].facts["truncated"] == (len(cut), len(answers))  # type: ignore[attr-defined]


def test_answers_that_are_long_can_be_punished() -> None:
    plain, punished = method(grpo(scale="none")), method(grpo(scale="none", overlong="penalise"))
    rollout = draw(plain)
    longest = rollout.tokens_A == NEW
    before, after = learned(plain)[0].advantage_A, learned(punished)[0].advantage_A
    changed = (after - before).view(PROMPTS, SAMPLES)
    assert (changed.flatten()[longest & (changed.flatten() != 0)] < 0).all() and (changed != 0).any()


def test_old_probabilities_come_from_the_sampler_only_where_they_are_the_policys() -> None:
    made = method(grpo(), moved=True)
    batches = build_batches(draw(made), range(PROMPTS * SAMPLES), 40)
    trusted = old_logprobs(made.policy, batches)
    assert all(own is batch.sampled_N for own, batch in zip(trusted, batches, strict=True))
    batches[0].sampled_N = batches[0].sampled_N - 0.01
    for own, batch in zip(old_logprobs(made.policy, batches), batches, strict=True):
        assert own is not batch.sampled_N
        assert torch.equal(own, made.policy.logprobs(batch).detach())


def test_a_second_update_learns_from_the_same_answers_and_is_clipped() -> None:
    made = method(grpo(updates=2, clip=0.01, clip_high=0.01))
    first = learned(made, 0)
    for batch in first:
        made.loss(batch)
    with torch.no_grad():
        for parameter in made.policy.trainable().values():
            parameter.add_(0.05)
    second = learned(made, 1)
    assert [batch.answer_N.tolist() for batch in second] == [batch.answer_N.tolist() for batch in first]
    out = [made.loss(batch) for batch in second]
    assert sum(one.metrics["clipped"][0] for one in out) > 0
    assert all("reward" not in one.metrics for one in out), "a rollout is logged once"
    third = learned(made, 2)
    assert third[0].old_N is None and "reward" in third[0].facts


def test_a_sampler_that_writes_with_other_probabilities_is_spoken_of() -> None:
    made = method(grpo())
    for batch in learned(made, 0):
        batch.sampled_N = batch.sampled_N + 0.05
        made.loss(batch)
    learned(made, 1)
    assert any("0.050 nats a token apart" in note for note in made.observer.notes)  # type: ignore[attr-defined]


def test_answers_that_tamper_are_counted_in_the_log_and_in_the_terminal() -> None:
    from whet.cli.progress import describe

    rollout = draw(method(grpo()))
    assert "tampered" not in rollout.facts()
    fouled = replace(rollout, scores=replace(rollout.scores, tampered=2)).facts()
    assert fouled["tampered"] == (2.0, 1.0)  # a number of answers, not a share
    assert describe({"reward": 0.5, "tampered": 2.0}) == "reward 0.500  2 answers tampered with the tests"


def test_validation_is_the_mean_reward_of_greedy_answers() -> None:
    made = method(grpo())
    found = made.score()
    assert found == made.score()
    answers = made.sampler.greedy(prompts()[:3]).answers
    texts = [answer.text.strip() for answer in answers]
    assert found == pytest.approx(sum(even([], texts, [])) / 3)


def test_prompts_are_dealt_out_evenly_and_each_once_an_epoch() -> None:
    loader = PromptLoader(prompts(), 4, NEW, 60, 0)
    assert loader.rollouts_per_epoch == 2
    rows = [segment.row for number in (0, 1) for segment in loader.prompts(number)]
    assert sorted(rows) == list(range(PROMPTS))
    assert [s.row for s in loader.prompts(2)] + [s.row for s in loader.prompts(3)] != rows
    assert [s.row for s in PromptLoader(prompts(), 4, NEW, 60, 0).prompts(3)] == [s.row for s in loader.prompts(3)]


def test_the_largest_batch_is_as_large_as_any_can_be() -> None:
    made = method(grpo(), budget=40)
    largest = made.loader.largest()
    longest = max(len(batch.ids_T) for number in range(5) for batch in build_batches(draw(made, number), range(24), 40))
    assert longest <= max(len(largest.ids_T), 40)
    assert len(largest.ids_T) >= max(len(p.ids) for p in prompts()) + NEW
    assert replace(largest).target_N.numel() % NEW == 0
