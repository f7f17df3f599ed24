"""Rollouts: the model writes answers to prompts, rewards score them, and prompt and answers become a forest.

What is written depends on the weights, the seed and the rollout's number alone, so a resumed run writes the same.
Legend: P prompts of a rollout, G answers to each, A = P * G answers, N tokens of a batch's answers.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from whet.data.batches.forest import build_batch
from whet.data.batches.loader import fill
from whet.errors import count
from whet.generation.engine import Sampling, generate
from whet.model.adapter import causal_lm
from whet.model.policy import Policy
from whet.pulse import beat, saying
from whet.rewards.combine import Rewards, Scores
from whet.types import Batch, Completion, Row, Segment

TAMPERED = "tampered"
"""In a step's log: how many answers tampered with their tests; absent where none did."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """What was written to some prompts, G answers each, in the order of the prompts, and what it is worth."""

    prompts: list[Segment]
    answers: list[Completion]
    scores: Scores
    samples: int
    seconds: float

    @property
    def reward_PG(self) -> Tensor:
        return torch.tensor(self.scores.total).view(-1, self.samples)

    @property
    def tokens_A(self) -> Tensor:
        """Tokens that were sampled, with the stop token."""
        return torch.tensor([float(len(ids_of(answer))) for answer in self.answers])

    def facts(self) -> dict[str, tuple[float, float]]:
        """For the log, as (sum, count): rewards, lengths, and groups that say nothing."""
        answers, reward_PG = float(len(self.answers)), self.reward_PG
        parts = {f"reward/{name}": (sum(values), answers) for name, values in self.scores.parts.items()}
        silent = {f"abstained/{name}": (float(number), answers) for name, number in self.scores.abstained.items()}
        return {
            "reward": (sum(self.scores.total), answers),
            **(parts if len(parts) > 1 else {}),
            **silent,
            **({TAMPERED: (float(self.scores.tampered), 1.0)} if self.scores.tampered else {}),
            "groups_alike": (float((reward_PG.amax(1) == reward_PG.amin(1)).sum()), float(len(reward_PG))),
            **self.written(),
        }

    def written(self) -> dict[str, tuple[float, float]]:
        """The part of `facts` that needs no rewards."""
        answers = float(len(self.answers))
        return {
            "answer_tokens": (float(self.tokens_A.sum()), answers),
            "truncated": (float(sum(not answer.finished for answer in self.answers)), answers),
            "rollout_seconds": (self.seconds, 1.0),
        }


@dataclass(slots=True)
class RolloutBatch(Batch):
    """Answers of a rollout, each a child of its prompt. The answers are numbered within the whole rollout."""

    answer_N: Tensor
    """The answer that each token belongs to."""
    sampled_N: Tensor
    """Its log-probability in nats when it was drawn."""
    advantage_A: Tensor = field(default_factory=lambda: torch.zeros(0))
    reference_N: Tensor | None = None
    """Its log-probability under the base."""
    old_N: Tensor | None = None
    """Its log-probability under the weights that the first update begins with."""
    advantage_N: Tensor | None = None
    """Of each token, where a value head tells them apart (ppo)."""
    old_value_N: Tensor | None = None
    return_N: Tensor | None = None
    """The reward from each token on that the value head learns to expect."""
    facts: dict[str, tuple[float, float]] = field(default_factory=dict)
    """What the step's log says of the rollout; in one batch of it."""


@dataclass(slots=True)
class Sampler:
    """Writes and scores answers. `rows` are those of training and validation, by index."""

    policy: Policy
    tokenizer: Any
    stop_ids: frozenset[int]
    context: int
    rewards: Rewards
    rows: dict[int, Row]
    max_new_tokens: int
    seed: int
    scored: int = 0
    """Answers that this run has written and scored, and the sum of their rewards."""
    reward: float = 0.0

    def draw(self, prompts: list[Segment], samples: int, number: int) -> Rollout:
        """`samples` answers a prompt, at temperature 1, for the rollout with this number."""
        return self._written(prompts, samples, Sampling(self.max_new_tokens, 1.0, seed=stream_of(self.seed, number)))

    def greedy(self, prompts: list[Segment]) -> Rollout:
        return self._written(prompts, 1, Sampling(self.max_new_tokens))

    def _written(self, prompts: list[Segment], samples: int, sampling: Sampling) -> Rollout:
        began = time.perf_counter()
        ids = [prompt.ids for prompt in prompts]

        model = causal_lm(self.policy.model)
        with saying(self._so_far()):
            answers = generate(
                model, self.tokenizer, ids, self.stop_ids, sampling, context=self.context, samples=samples
            )
            rows = self.rows_of(prompts, samples)
            beat(f"scoring {count(len(answers), 'answer')}")
            prompts_of_answers = [row.prompt for row in rows]
            texts = [answer.text.strip() for answer in answers]
            scores = self.rewards(prompts_of_answers, texts, rows)

        self.scored += len(answers)
        self.reward += sum(scores.total)
        return Rollout(prompts, answers, scores, samples, time.perf_counter() - began)

    def _so_far(self) -> str:
        """For whoever waits for a rollout: the mean reward of all answers that this run has written before."""
        if self.scored:
            return f"reward so far {self.reward / self.scored:.3f}"
        return "no reward yet"

    def rows_of(self, prompts: Sequence[Segment], samples: int) -> list[Row]:
        """The row of each answer."""
        rows = []
        for prompt in prompts:
            rows += [self.rows[prompt.row]] * samples
        return rows


def stream_of(seed: int, number: int) -> int:
    """A seed of its own for each rollout of a run."""
    return int.from_bytes(hashlib.sha256(f"rollout {seed} {number}".encode()).digest()[:5])


def ids_of(answer: Completion) -> list[int]:
    """All that was sampled: the answer and its stop token."""
    if answer.stop_id is None:
        return answer.ids
    return [*answer.ids, answer.stop_id]


def logprobs_of(answer: Completion) -> list[float]:
    """What the sampler said of `ids_of`."""
    if answer.stop_logprob is None:
        return answer.logprobs
    return [*answer.logprobs, answer.stop_logprob]


def build_batches(rollout: Rollout, chosen: Iterable[int], budget: int) -> list[RolloutBatch]:
    """Micro-batches of about `budget` tokens that hold the chosen answers; every sampled token has weight 1.

    A prompt comes once before its answers, or several times where they do not all fit.
    """
    members: dict[int, list[int]] = {}
    for answer in chosen:
        members.setdefault(answer // rollout.samples, []).append(answer)

    tokens_A = rollout.tokens_A.int().tolist()
    trees: list[tuple[int, list[int]]] = []
    for prompt, answers in members.items():
        room = budget - len(rollout.prompts[prompt].ids)
        trees += [(prompt, part) for part in fill(answers, tokens_A, room)]

    lengths = []
    for prompt, answers in trees:
        written = sum(tokens_A[answer] for answer in answers)
        lengths.append(len(rollout.prompts[prompt].ids) + written)

    longest_first = sorted(range(len(trees)), key=lambda number: -lengths[number])
    batches = []
    for numbers in fill(longest_first, lengths, budget):
        batches.append(_batch(rollout, [trees[number] for number in numbers]))

    return batches


def _batch(rollout: Rollout, trees: Sequence[tuple[int, list[int]]]) -> RolloutBatch:
    segments: list[Segment] = []
    answer_S: list[int] = []

    sampled: list[float] = []
    for prompt, answers in trees:
        root = len(segments)
        segments.append(rollout.prompts[prompt])
        answer_S.append(-1)

        for number in answers:
            ids = ids_of(rollout.answers[number])
            segments.append(Segment(ids, [1.0] * len(ids), rollout.prompts[prompt].row, root))
            answer_S.append(number)
            sampled += logprobs_of(rollout.answers[number])

    batch = build_batch(segments)
    own = {part.name: getattr(batch, part.name) for part in fields(Batch)}
    return RolloutBatch(**own, answer_N=torch.tensor(answer_S)[batch.segment_N], sampled_N=torch.tensor(sampled))
