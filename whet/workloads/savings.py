"""What a month would cost less, at the volume of the log itself, if every workload went to the way that is enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from whet.errors import count
from whet.text.wording import capitalise
from whet.workloads.volume import MONTH_DAYS, MONTH_HOURS, Volume

SHORTEST_DAYS = 1.0
"""A log of less tells no month: its hours are not like the others."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A workload that was compared; `seconds` are those of an answer of the way that is enough, None where the big
    model stays."""

    volume: Volume
    seconds: float | None


class SavingsFacts(TypedDict):
    """Of 30 days. None where the log does not tell it."""

    requests: float | None
    big_usd: float | None
    """Of all requests in the log."""
    moved_usd: float | None
    """Of those that need no big model."""
    machines: int | None
    """Of the given price, always on, that answer these one after another."""
    machine_usd: float | None
    saved_usd: float | None
    assumption: str


def savings_of(whole: Volume, judged: Sequence[Judged], machine_usd_per_hour: float) -> SavingsFacts:
    """`whole` is the volume of the log."""
    moved = [workload for workload in judged if workload.seconds is not None]
    assumption = (
        f"{count(whole.requests, 'request')} in {whole.days:.1f} days go on as they are, and a machine at "
        f"${machine_usd_per_hour:g} an hour is always on"
        if whole.days is not None
        else "the log has no times"
    )
    facts: SavingsFacts = {
        "requests": None,
        "big_usd": None,
        "moved_usd": None,
        "machines": None,
        "machine_usd": None,
        "saved_usd": None,
        "assumption": assumption,
    }
    if whole.days is None or whole.days < SHORTEST_DAYS:
        return facts

    months = MONTH_DAYS / whole.days
    hours = sum(months * one.volume.requests * (one.seconds or 0.0) / 3600 for one in moved)
    machines = max(1, math.ceil(hours / MONTH_HOURS)) if any(one.seconds for one in moved) else 0
    facts["requests"] = months * whole.requests
    facts["machines"], facts["machine_usd"] = machines, machines * MONTH_HOURS * machine_usd_per_hour
    if whole.usd is not None:
        facts["big_usd"] = months * whole.usd
    if all(one.volume.usd is not None for one in moved):
        facts["moved_usd"] = months * sum(one.volume.usd or 0.0 for one in moved)
        facts["saved_usd"] = facts["moved_usd"] - facts["machine_usd"]
    return facts


def advice_of(judged: Sequence[Judged], savings: SavingsFacts) -> str:
    """Of the whole log, in as few words as for a workload."""
    moved = [workload for workload in judged if workload.seconds is not None]
    if not judged:
        return "nothing was compared"
    if not moved or (savings["saved_usd"] is not None and savings["saved_usd"] <= 0):
        return "keep the big one"
    return "use small ones for all" if len(moved) == len(judged) else "use small ones for some"


def sentence_of(whole: Volume, judged: Sequence[Judged], savings: SavingsFacts) -> str:
    moved = [workload for workload in judged if workload.seconds is not None]
    if not judged:
        return "No workload could be compared, so the big model stays."
    if not moved:
        return "No workload that was compared can do without the big model."

    share = sum(workload.volume.requests for workload in moved) / whole.requests
    compared = count(len(judged), "workload")
    what = f"Of {compared} that could be compared {len(moved)} ({100 * share:.0f}% of all requests) need no big model"
    return f"{what}. {_money(savings, whole)}"


def _money(savings: SavingsFacts, whole: Volume) -> str:
    saved, big, machine = savings["saved_usd"], savings["big_usd"], savings["machine_usd"]
    if machine is None:
        told = "The log spans less than a day" if whole.days is not None else capitalise(savings["assumption"])
        return f"{told}, so what a month would cost is not told."
    if saved is None or big is None:
        return "What that would save is not told: the log holds no costs, and no price was given for its tokens."
    if saved <= 0:
        moved = savings["moved_usd"] or 0.0
        return (
            f"But they cost ${moved:,.2f} a month now, and a machine ${machine:,.2f}: keep the big one "
            f"({savings['assumption']})."
        )
    return f"That would save ${saved:,.2f} of ${big:,.2f} a month ({savings['assumption']})."
