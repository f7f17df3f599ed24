"""The next token of every row of a batch, each row with settings of its own; plain rows together.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from whet.generation.sampling import RandomStream, drawn, greedy, most_likely, nucleus
from whet.generation.serving.guide import Guide
from whet.generation.serving.token_choice import TokenChoice


@dataclass(frozen=True, slots=True)
class ChosenToken:
    token: int
    logprob: float
    """The model's own."""
    top: list[tuple[int, float]]


@dataclass(slots=True, eq=False)
class Chooser:
    """What one answer's next token depends on, beside the model."""

    choice: TokenChoice
    guide: Guide | None
    stop_ids: frozenset[int]
    written: dict[int, int] = field(default_factory=dict)
    """How often each token was written."""
    stream: RandomStream = field(init=False)

    def __post_init__(self) -> None:
        self.stream = RandomStream(self.choice.seed, 0)

    @property
    def is_plain(self) -> bool:
        return self.guide is None and not self.choice.shifts

    @property
    def is_stuck(self) -> bool:
        """Has the guide given up where the answer may not end?"""
        return self.guide is not None and self.guide.is_over and not self.guide.may_end

    def wrote(self, token: int) -> None:
        self.written[token] = self.written.get(token, 0) + 1
        if self.guide is not None and token not in self.stop_ids:
            self.guide.advance(token)

    def shift(self, logits_V: Tensor) -> None:
        """Bias, penalties and guide, in place."""
        choice = self.choice
        if choice.logit_bias:
            logits_V[list(choice.logit_bias)] += logits_V.new_tensor(list(choice.logit_bias.values()))
        if self.written and (choice.presence_penalty or choice.frequency_penalty):
            counts = logits_V.new_tensor(list(self.written.values()))
            logits_V[list(self.written)] -= choice.presence_penalty + choice.frequency_penalty * counts
        if self.guide is not None:
            logits_V.masked_fill_(~self._allowed(self.guide, len(logits_V)).to(logits_V.device), float("-inf"))

    def _allowed(self, guide: Guide, vocabulary: int) -> Tensor:
        allowed_V = torch.zeros(vocabulary, dtype=torch.bool)
        if not guide.is_over:
            given = guide.allowed()[:vocabulary]
            allowed_V[: len(given)] = given
        allowed_V[list(self.stop_ids)] = guide.may_end or not bool(allowed_V.any())
        return allowed_V


def choose(logits_BV: Tensor, rows: Sequence[Chooser]) -> list[ChosenToken]:
    """A token for each row."""
    logits_BV = logits_BV.float()
    if all(row.is_plain and row.choice.is_greedy and not row.choice.top_logprobs for row in rows):
        best_B, picked_B = greedy(logits_BV)
        return [ChosenToken(*one, []) for one in zip(best_B.tolist(), picked_B.tolist(), strict=True)]

    own_BV = logits_BV.log_softmax(-1)
    chosen_B = _tokens(_shifted(own_BV, rows), rows)
    picked = own_BV.gather(1, chosen_B[:, None]).squeeze(1).tolist()
    top = _top(own_BV, rows)
    return [ChosenToken(*one) for one in zip(chosen_B.tolist(), picked, top, strict=True)]


def _shifted(own_BV: Tensor, rows: Sequence[Chooser]) -> Tensor:
    if all(row.is_plain for row in rows):
        return own_BV
    shifted_BV = own_BV.clone()
    for place, row in enumerate(rows):
        if not row.is_plain:
            row.shift(shifted_BV[place])
    return shifted_BV


def _tokens(shifted_BV: Tensor, rows: Sequence[Chooser]) -> Tensor:
    chosen_B = shifted_BV.new_empty(len(rows), dtype=torch.long)
    taken = [place for place, row in enumerate(rows) if row.choice.is_greedy]
    if taken:
        chosen_B[taken] = greedy(shifted_BV[taken])[0]

    random = [place for place, row in enumerate(rows) if not row.choice.is_greedy]
    if random:
        temperature_B1 = shifted_BV.new_tensor([rows[place].choice.temperature for place in random])[:, None]
        probabilities_BV = (shifted_BV[random] / temperature_B1).softmax(-1)
        for places, choice in _alike([rows[place].choice for place in random]):
            probabilities_BV[places] = _cut(probabilities_BV[places], choice)
        chosen_B[random] = drawn(probabilities_BV, [rows[place].stream.uniform() for place in random])

    return chosen_B


def _alike(choices: Sequence[TokenChoice]) -> Iterator[tuple[list[int], TokenChoice]]:
    """Places of choices that cut the distribution in the same way."""

    def how(place: int) -> tuple[int, float, float]:
        choice = choices[place]
        return choice.top_k or 0, choice.top_p, choice.min_p

    cutting = sorted((place for place, choice in enumerate(choices) if choice.cuts), key=how)
    for _, places in groupby(cutting, key=how):
        same = list(places)
        yield same, choices[same[0]]


def _cut(probabilities_BV: Tensor, choice: TokenChoice) -> Tensor:
    if choice.top_k is not None:
        probabilities_BV = most_likely(probabilities_BV, choice.top_k)
    if choice.top_p < 1:
        probabilities_BV = nucleus(probabilities_BV, choice.top_p)
    if choice.min_p > 0:
        least_B1 = choice.min_p * probabilities_BV.amax(-1, keepdim=True)
        probabilities_BV = probabilities_BV.masked_fill(probabilities_BV < least_B1, 0.0)
    return probabilities_BV


def _top(own_BV: Tensor, rows: Sequence[Chooser]) -> list[list[tuple[int, float]]]:
    most = min(max(row.choice.top_logprobs for row in rows), own_BV.shape[1])
    if not most:
        return [[] for _ in rows]
    values_BK, ids_BK = own_BV.topk(most, dim=-1)
    pairs = zip(ids_BK.tolist(), values_BK.tolist(), rows, strict=True)
    return [list(zip(ids, values, strict=True))[: row.choice.top_logprobs] for ids, values, row in pairs]
