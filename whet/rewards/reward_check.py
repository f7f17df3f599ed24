"""Before the training: does the reward tell answers apart, and can it be had for nothing?"""

from __future__ import annotations

from collections.abc import Sequence

from whet.rewards.combine import Rewards, Scores
from whet.types import Message, Row


def reward_warnings(
    rewards: Rewards, scores: Scores, prompts: Sequence[list[Message]], rows: Sequence[Row]
) -> list[str]:
    """What is odd about the rewards of a first batch, in sentences for people. An empty answer is scored, too."""
    found = []
    for name, values in scores.parts.items():
        if min(values) == max(values):
            found.append(
                f"the reward {name!r} is {values[0]:g} for every one of the first {len(values)} answers: "
                "nothing can be learned from it as long as that is so"
            )
    empty = rewards(prompts, [""] * len(prompts), rows).total

    mean, nothing = sum(scores.total) / len(scores.total), sum(empty) / len(empty)
    if nothing >= max(scores.total) or (nothing > mean and min(scores.total) < max(scores.total)):
        found.append(
            f"an empty answer gets a reward of {nothing:g}, as good as what the model writes now ({mean:g}): "
            "it may learn to say nothing"
        )

    return found
