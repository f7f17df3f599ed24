"""Preference pairs on the report's page: each figure with the interval that it was measured with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from whet.evaluation.facts import Evaluation, SideFacts
from whet.evaluation.preference_facts import PairGains
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.numbers import format_range
from whet.text.wording import percent


def pairs_view(evaluation: Evaluation) -> Sheet | None:
    """What the tuned model prefers, and how far it moved the two answers apart; None if no pairs were compared."""
    base, tuned = evaluation.get("base") or {}, evaluation.get("tuned") or {}
    if "reward_margin" not in tuned:
        return None
    return Sheet(["measure", "base", "tuned", "95% interval"], list(_pair_rows(base, tuned, cast(PairGains, tuned))))


def _pair_rows(base: SideFacts, tuned: SideFacts, gains: PairGains) -> Iterator[list[Cell]]:
    nothing = Cell("\u2013", figure=True, empty=True)
    yield [
        Cell("preference-accuracy", "the chosen answer is the likelier one, token for token"),
        figure(percent(base["score"])),
        figure(percent(tuned["score"])),
        figure(format_range(tuned.get("low"), tuned.get("high"), None)),
    ]

    if level := tuned.get("length_controlled"):
        before = base.get("length_controlled")
        yield [
            Cell("at equal length", f"the same with length set aside, over {level['pairs']:,} pairs"),
            figure(percent(before["rate"])) if before else nothing,
            figure(percent(level["rate"])),
            figure(format_range(level["low"], level["high"], None)),
        ]

    low, high = gains["reward_accuracy_interval"]
    yield [
        Cell("reward accuracy", "the chosen answer gained more than the rejected one"),
        nothing,
        figure(percent(gains["reward_accuracy"])),
        figure(format_range(low, high, None)),
    ]
    chosen, rejected = f"{gains['chosen_gain']:+.2f}", f"{gains['rejected_gain']:+.2f}"
    least, most = (f"{end:+.2f}" for end in gains["reward_margin_interval"])
    yield [
        Cell("margin", f"nats an answer; the chosen one gained {chosen}, the rejected one {rejected}"),
        nothing,
        figure(f"{gains['reward_margin']:+.2f}"),
        figure(f"{least} to {most}"),
    ]


SECTION = Section(key="pairs", title="Pairs", after="form", view=pairs_view)
