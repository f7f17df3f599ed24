"""Preference pairs: which answer a model finds likelier, and how far the answers moved from the base.

Likelier means a higher mean log-probability a token: by the plain sum the shorter answer would win nearly always,
whatever it says. A tie counts half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from whet.data.batches.loader import in_order
from whet.evaluation.metrics.scoring import RowScore
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.evaluation.preference_facts import RewardGains, RewardMargins
from whet.losses.answers import paired_answers, rows_of_pairs, sum_over
from whet.stats.length_control import LengthControlled, length_controlled
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
    """The log-probabilities of each pair, by input row."""
    pairs = {}
    with model.active():
        for batch in in_order(segments, READ_TOKENS):
            answers_2P = paired_answers(batch)
            sums_2P = sum_over(answers_2P, model.policy.logprobs(batch), batch)
            tokens_2P = sum_over(answers_2P, torch.ones_like(batch.weight_N), batch)

            for row, *values in zip(rows_of_pairs(batch), *sums_2P.tolist(), *tokens_2P.tolist(), strict=True):
                pairs[row] = PairLogprobs(*values)

    return pairs


def preference_score(pair: PairLogprobs) -> RowScore:
    """1 if the chosen answer is the likelier one, 0 if the other is, 0.5 if neither is."""
    if pair.margin == 0:
        value = 0.5
    else:
        value = float(pair.margin > 0)
    return RowScore(value, {"margin": pair.margin})


def degeneration_warning(base: dict[int, PairLogprobs], tuned: dict[int, PairLogprobs]) -> str:
    """A sentence for the verdict if the chosen answers became much less likely, too: the model then prefers them to the
    rejected ones, and writes neither (described by Pal et al. 2024, arXiv 2402.13228); else ""."""
    tokens = sum(pair.chosen_tokens for pair in base.values())
    lost = sum(base[row].chosen - tuned[row].chosen for row in base) / tokens
    if lost < MUCH_LOST:
        return ""
    return (
        f" But the chosen answers became less likely too, by {lost:.1f} nats a token: the model may write neither. "
        "Read what it writes; set method.sft_weight, or lower learning_rate."
    )


def reward_gains(base: dict[int, PairLogprobs], tuned: dict[int, PairLogprobs]) -> RewardGains:
    """Means over the pairs."""
    chosen = [tuned[row].chosen - base[row].chosen for row in base]
    rejected = [tuned[row].rejected - base[row].rejected for row in base]
    right = sum(a > b for a, b in zip(chosen, rejected, strict=True))
    return {
        "reward_accuracy": right / len(base),
        "chosen_gain": sum(chosen) / len(base),
        "rejected_gain": sum(rejected) / len(base),
    }


def reward_margins(
    base: dict[int, PairLogprobs], tuned: dict[int, PairLogprobs], seed: int, clusters: Sequence[object] | None
) -> RewardMargins:
    """Intervals for what `reward_gains` gives. Pairs in the order of `base`, as `clusters` names them."""
    margins = [tuned[row].chosen - base[row].chosen - tuned[row].rejected + base[row].rejected for row in base]
    right = [float(margin > 0) for margin in margins]
    return {
        "reward_accuracy_interval": list(mean_interval(right, seed, clusters)),
        "reward_margin": sum(margins) / len(margins),
        "reward_margin_interval": list(mean_interval(margins, seed, clusters)),
    }


def at_equal_length(pairs: dict[int, PairLogprobs]) -> LengthControlled | None:
    """How often a model finds the chosen answer likelier, length set aside (whet/stats/length_control.py)."""
    won = [preference_score(pair).value for pair in pairs.values()]
    longer = [pair.chosen_tokens - pair.rejected_tokens for pair in pairs.values()]
    return length_controlled(won, longer)
