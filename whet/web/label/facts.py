"""What the pages of labelling show: who could be judged, the item in hand, and what people agree on."""

from __future__ import annotations

from typing import Any

from whet.monitoring.trace import conversation
from whet.server.errors import ApiError
from whet.server.traces.labelling import NEWEST, Item, Kind, Progress, items_of, preferences, progress, take
from whet.server.traces.reading import TraceFilter, read_traces
from whet.web.asked import Asked


def models(asked: Asked) -> list[str]:
    """Those whose answers could be judged; empty where no texts were kept."""
    asked.service.tracing.flush()
    found = read_traces(asked.service.database, TraceFilter(asked.caller.project), NEWEST)
    return sorted({trace.model for trace in found if trace.model and trace.messages})


def items(asked: Asked, model: str, kind: Kind) -> list[Item]:
    return items_of(asked.service.database, asked.caller.project, model, kind)


def item_named(found: list[Item], name: str) -> Item:
    """Raises ApiError 404 for one that is gone."""
    for item in found:
        if item.name == name:
            return item
    what = "This one is gone: its trace was removed, or newer ones came. Nothing was kept; go on with the next."
    raise ApiError(404, what, code="item_not_found", param="item")


def view(asked: Asked, model: str, kind: Kind, who: str, told: str = "") -> dict[str, Any]:
    """Of the item that this person has in hand now."""
    found = items(asked, model, kind)
    item = take(asked.service.database, asked.caller.project, who, found)
    far = progress(asked.service.database, asked.caller.project, who, found)
    seen = {"model": model, "kind": kind, "who": who, "item": item, "progress": far, "told": told}
    pairs = preferences(asked.service.database, asked.caller.project, found) if kind == "pairs" else ([], 0)
    return seen | {
        "asked_text": conversation(item.traces[0].messages) if item else "",
        "sides": sides(item, who),
        "agreed": agreed(far),
        "pairs": pairs,
    }


def sides(item: Item | None, who: str) -> list[tuple[str, str]]:
    """(choice, text) of the answers as they stand; nothing tells whose they are."""
    if item is None:
        return []
    texts = {"first": item.traces[0].answer or "(nothing)"}
    if len(item.traces) == 1:
        return [("first", texts["first"])]
    texts["second"] = item.traces[1].answer or "(nothing)"
    return [(side, texts[side]) for side in item.sides(who)]


def agreed(far: Progress) -> str:
    """How often two people said the same of what both were shown, with its interval."""
    if not far.shared:
        return ""
    from whet.stats.agreement import cohens_kappa, format_agreement  # a service that nobody labels on loads no scipy
    from whet.stats.paired import wilson

    first, second = [one for one, _ in far.shared], [other for _, other in far.shared]
    low, high = wilson(sum(one == other for one, other in far.shared), len(far.shared))
    told = format_agreement(cohens_kappa(first, second), "each other")
    return f"{told} The share that agrees may be {low:.0%} to {high:.0%} (95% interval)."
