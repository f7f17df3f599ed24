"""Preference pairs on one side of a verdict: which answer is likelier, and how far it moved from the base.

Likelier means a higher mean log-probability a token: by the plain sum the shorter answer would win nearly always,
whatever it says. A tie counts half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from whet.data.batches.loader import in_order
from whet.evaluation.metrics.scoring import RowScore
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.losses.answers import paired_answers, rows_of_pairs, sum_over
from whet.stats.length_control import length_controlled
from whet.stats.paired import mean_interval
from whet.types import Segment

PAIR_REASON = "the rows are preference pairs, so it is counted how often the chosen answer is likelier, token for token"


MUCH_LOST = 0.5
"""Nats a token. In bench/shown/dpo.py a model that lost 2 wrote nothing of use any more, one that gained wrote well."""


@dataclass(frozen=True, slots=True)
class PairLogprobs:
    """Log-probabilities in nats, summed over the tokens of each answer."""

    chosen: float
    rejected: float
    chosen_tokens: float
    rejected_tokens: float

    @property
    def margin(self) -> float:
        """Nats a token by which the chosen answer is likelier."""
        return self.chosen / self.chosen_tokens - self.rejected / self.rejected_tokens


@torch.no_grad()
def read_pairs(model: EvaluatedModel, segments: Sequence[Segment]) -> dict[int, PairLogprobs]:
    """What a side says of each pair, by input row."""
    found = {}
    with model.active():
        for batch in in_order(segments, READ_TOKENS):
            answers_2P = paired_answers(batch)
            sums_2P = sum_over(answers_2P, model.policy.logprobs(batch), batch)
            tokens_2P = sum_over(answers_2P, torch.ones_like(batch.weight_N), batch)

            for row, *values in zip(rows_of_pairs(batch), *sums_2P.tolist(), *tokens_2P.tolist(), strict=True):
                found[row] = PairLogprobs(*values)

    return found


def preference_score(pair: PairLogprobs) -> RowScore:
    """1 where the chosen answer is the likelier one, 0 where the other is, 0.5 where neither."""
    if pair.margin == 0:
        value = 0.5
    else:
        value = float(pair.margin > 0)
    return RowScore(value, {"margin": pair.margin})


def degeneration_warning(base: dict[int, PairLogprobs], tuned: dict[int, PairLogprobs]) -> str:
    """A sentence for the verdict where the chosen answers lost too, and much: the model then prefers them to the
    rejected ones, and writes neither (Pal et al. 2024, arXiv 2402.13228, describe it)."""
    tokens = sum(pair.chosen_tokens for pair in base.values())
    lost = sum(base[row].chosen - tuned[row].chosen for row in base) / tokens
    if lost < MUCH_LOST:
        return ""
    return (
        f" But the chosen answers became less likely too, by {lost:.1f} nats a token: the model may write neither. "
        "Read what it writes; set method.sft_weight, or lower learning_rate."
    )


def reward_gains(base: dict[int, PairLogprobs], tuned: dict[int, PairLogprobs]) -> dict[str, Any]:
    """`reward_accuracy`: share of the pairs whose chosen answer gained more probability than the rejected one, which is
    what dpo trains; `chosen_gain`, `rejected_gain`: mean change of an answer's log-probability, in nats."""
    gains = [(tuned[row].chosen - base[row].chosen, tuned[row].rejected - base[row].rejected) for row in base]
    return {
        "reward_accuracy": sum(chosen > rejected for chosen, rejected in gains) / len(gains),
        "chosen_gain": sum(chosen for chosen, _ in gains) / len(gains),
        "rejected_gain": sum(rejected for _, rejected in gains) / len(gains),
    }


def reward_margins(
    base: dict[int, PairLogprobs], tuned: dict[int, PairLogprobs], seed: int, clusters: Sequence[object] | None
) -> dict[str, Any]:
    """Intervals for what `against` says: `reward_accuracy_interval`; `reward_margin`, the mean of chosen gain minus
    rejected gain in nats, with `reward_margin_interval`. Pairs in the order of `base`, as `clusters` names them."""
    gains = [tuned[row].chosen - base[row].chosen - tuned[row].rejected + base[row].rejected for row in base]
    return {
        "reward_accuracy_interval": list(mean_interval([float(gain > 0) for gain in gains], seed, clusters)),
        "reward_margin": sum(gains) / len(gains),
        "reward_margin_interval": list(mean_interval(gains, seed, clusters)),
    }


def at_equal_length(pairs: dict[int, PairLogprobs]) -> dict[str, Any] | None:
    """How often a side finds the chosen answer likelier, length set aside (whet/stats/length_control.py)."""
    won = [preference_score(pair).value for pair in pairs.values()]
    return length_controlled(won, [pair.chosen_tokens - pair.rejected_tokens for pair in pairs.values()])
