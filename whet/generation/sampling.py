"""How the next token is chosen: greedy, or drawn at a temperature from the nucleus, one random stream an answer.

Shapes: B answers being written, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from whet.errors import InputError

NUCLEUS_FIRST = 512
"""Candidates looked at before the whole vocabulary is sorted: a nucleus seldom holds more."""
LEAST_TEMPERATURE = 1e-6
"""A log-probability divided by less leaves float32 (3e38) for vocabularies and logits as they are."""
SEEDS = 2**63
DRAWS = 64
"""Random numbers drawn at once from an answer's stream."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy; an answer also ends where its text holds a stop string.

    Raises InputError for what is no number, for numbers that mean nothing and for an empty stop string.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop_strings: tuple[str, ...] = ()
    top_k: int | None = None
    """Only so many of the likeliest tokens may be drawn; before top_p. None: all."""

    def __post_init__(self) -> None:
        numbers, whole = (self.temperature, self.top_p), (self.max_new_tokens, self.seed, self.top_k or 1)
        if not all(isinstance(one, int | float) for one in numbers) or not all(type(one) is int for one in whole):
            given = {"temperature": self.temperature, "top_p": self.top_p, "max_new_tokens": self.max_new_tokens}
            given |= {"seed": self.seed, "top_k": self.top_k}
            what = "temperature and top_p are numbers; max_new_tokens, seed and top_k are whole ones"
            raise InputError(what, where="sampling", value=given, fix="write them as such: temperature=0.7, top_k=40")
        if self.max_new_tokens < 1:
            raise _meaningless("max_new_tokens", self.max_new_tokens, "at least one token must be asked for")
        if not 0 <= self.temperature < float("inf"):
            raise _meaningless("temperature", self.temperature, "it must be 0 (greedy) or more")
        if 0 < self.temperature < LEAST_TEMPERATURE:
            what = f"below {LEAST_TEMPERATURE:g} nothing is drawn any more, and the numbers overflow"
            raise _meaningless("temperature", self.temperature, what)
        if not 0 < self.top_p <= 1:
            raise _meaningless("top_p", self.top_p, "it must be above 0 and at most 1")
        if self.top_k is not None and self.top_k < 1:
            raise _meaningless("top_k", self.top_k, "it must be at least 1")
        if isinstance(self.stop_strings, str) or not all(isinstance(one, str) for one in self.stop_strings):
            raise _meaningless("stop_strings", self.stop_strings, "it must be a list of texts")
        if "" in self.stop_strings:
            raise _meaningless("stop_strings", self.stop_strings, "an empty string would stop every answer at once")


def _meaningless(where: str, value: object, what: str) -> InputError:
    fix = {"temperature": "0 takes the likeliest token, 1 draws as the model says", "stop_strings": 'as in ("\n\n",)'}
    return InputError(what, where=where, value=value, fix=fix.get(where, "choose another number, or leave it out"))


class TokenSampler:
    """Chooses tokens. Answer i draws from a stream named by `streams[i]` alone, whatever batch it is written in."""

    def __init__(self, sampling: Sampling, streams: Sequence[int]) -> None:
        self.sampling, self.streams = sampling, streams
        self.random: dict[int, RandomStream] = {}

    def choose(self, logits_BV: Tensor, answers: Sequence[int]) -> tuple[list[int], list[float]]:
        """A token for each of `answers` (one a row), and its log-probability before temperature and top_p."""
        if self.sampling.temperature == 0:
            chosen_B, picked_B = greedy(logits_BV.float())
            return chosen_B.tolist(), picked_B.tolist()
        logprobs_BV = logits_BV.float().log_softmax(-1)
        chosen_B = self._drawn(logprobs_BV, answers)
        return chosen_B.tolist(), logprobs_BV.gather(1, chosen_B[:, None]).squeeze(1).tolist()

    def forget(self, answer: int) -> None:
        """The answer is written: its stream is needed no more."""
        self.random.pop(answer, None)

    def _drawn(self, logprobs_BV: Tensor, answers: Sequence[int]) -> Tensor:
        probabilities_BV = (logprobs_BV / self.sampling.temperature).softmax(-1)
        if self.sampling.top_k is not None:
            probabilities_BV = most_likely(probabilities_BV, self.sampling.top_k)
        if self.sampling.top_p < 1:
            probabilities_BV = nucleus(probabilities_BV, self.sampling.top_p)
        return drawn(probabilities_BV, [self._uniform(i) for i in answers])

    def _uniform(self, answer: int) -> float:
        if answer not in self.random:
            self.random[answer] = RandomStream(self.sampling.seed, self.streams[answer])
        return self.random[answer].uniform()


class RandomStream:
    """Uniform numbers that a seed and a stream's number name."""

    def __init__(self, seed: int, stream: int) -> None:
        named = seed * 1_000_003 + stream
        held = named if -SEEDS <= named < SEEDS else named % SEEDS  # what torch takes
        self.generator = torch.Generator().manual_seed(held)
        self.draws: list[float] = []

    def uniform(self) -> float:
        if not self.draws:
            self.draws = torch.rand(DRAWS, generator=self.generator, dtype=torch.float64).tolist()
        return self.draws.pop(0)


def drawn(probabilities_BV: Tensor, uniform: Sequence[float]) -> Tensor:
    """The token of each row at which the summed probability passes its uniform number, in float64."""
    reached_BV = probabilities_BV.cumsum(-1, dtype=torch.float64)
    uniform_B1 = torch.tensor(uniform, dtype=torch.float64, device=reached_BV.device)[:, None]
    chosen_B1 = torch.searchsorted(reached_BV, uniform_B1 * reached_BV[:, -1:], right=True)
    return chosen_B1.squeeze(1).clamp_(max=probabilities_BV.shape[1] - 1)


def greedy(logits_BV: Tensor) -> tuple[Tensor, Tensor]:
    """The first of the likeliest tokens, and its log-probability - log sum_v exp(l_v - max l)."""
    if logits_BV.device.type == "cpu":
        best_B = torch.from_numpy(logits_BV.numpy().argmax(-1))  # torch's own takes six times as long there
    else:
        best_B = logits_BV.argmax(-1)
    distance_BV = logits_BV - logits_BV.gather(1, best_B[:, None])
    return best_B, distance_BV.exp_().sum(-1).log_().neg_()


def most_likely(probabilities_BV: Tensor, top_k: int) -> Tensor:
    """Zero everything but the `top_k` likeliest tokens; what is left sums to one (Fan et al. 2018, section 5.4)."""
    kept_BK, order_BK = probabilities_BV.topk(min(top_k, probabilities_BV.shape[1]), dim=-1)
    return torch.zeros_like(probabilities_BV).scatter_(1, order_BK, kept_BK / kept_BK.sum(-1, keepdim=True))


def nucleus(probabilities_BV: Tensor, top_p: float) -> Tensor:
    """Zero everything outside the smallest set of tokens that holds `top_p` (Holtzman et al. 2020, section 3.1)."""
    first = min(NUCLEUS_FIRST, probabilities_BV.shape[1])
    sorted_BV, order_BV = probabilities_BV.topk(first, dim=-1)
    kept_BV = torch.zeros_like(probabilities_BV).scatter_(1, order_BV, _within(sorted_BV, top_p))

    if first < probabilities_BV.shape[1]:
        wider_B = sorted_BV.sum(-1) < top_p
    else:
        wider_B = None

    if wider_B is not None and bool(wider_B.any()):
        sorted_WV, order_WV = probabilities_BV[wider_B].sort(-1, descending=True)
        kept_BV[wider_B] = torch.zeros_like(sorted_WV).scatter_(1, order_WV, _within(sorted_WV, top_p))

    return kept_BV


def _within(sorted_BV: Tensor, top_p: float) -> Tensor:
    outside_BV = sorted_BV.cumsum(-1) - sorted_BV >= top_p
    return sorted_BV.masked_fill(outside_BV, 0.0)
