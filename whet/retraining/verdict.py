"""One word for a next version against the live one.

better       better on the old test rows or on the fresh ones, by the whole interval, and on the other part at most the
             margin worse; nothing lost elsewhere, against the base and against the live version
worse        worse on a part by the whole interval, or something lost elsewhere
as good      on both parts at most the margin worse, and nothing lost
cannot tell  anything else: the rows are too few
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from whet.errors import count
from whet.evaluation.decision import listed
from whet.evaluation.facts import ForgettingFacts
from whet.evaluation.forgetting.budget import HELD_COST, score_budget
from whet.evaluation.verdict import compare, difference_facts
from whet.stats.paired import clusters_of_lines

Word = Literal["better", "as good", "worse", "cannot tell"]
LARGEST_MARGIN = 0.25
"""Of fewer than 12 rows no interval lies within it, so that a few rows never clear anything."""
PARTS = {"old": "the old test rows", "fresh": "the fresh test rows"}


def judge_part(lines: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any] | None:
    """The paired comparison of a part, and whether it is `held`: the bad end of its interval is within the margin.
    None without rows."""
    if not lines:
        return None
    live = [float(line["base_score"]) for line in lines]
    candidate = [float(line["tuned_score"]) for line in lines]
    difference, verdict = compare(live, candidate, seed, clusters_of_lines(lines))
    if difference.scale is None:
        margin, reason = score_budget(None, difference.rows)
        margin = min(margin, LARGEST_MARGIN)
    else:
        margin = HELD_COST * difference.scale
        reason = f"{100 * HELD_COST:g}% of the range of the scores"

    return {
        "rows": len(lines),
        "live": sum(live) / len(live),
        "candidate": sum(candidate) / len(candidate),
        "difference": difference_facts(difference),
        "word": verdict.word,
        "sentence": verdict.sentence,
        "margin": margin,
        "margin_reason": reason,
        "held": difference.low >= -margin,
    }


def judge(
    parts: Mapping[str, dict[str, Any] | None],
    lost_to_live: ForgettingFacts | None,
    lost_to_base: ForgettingFacts | None,
) -> tuple[Word, str]:
    """(word, sentence) from the parts by their names (PARTS), and from what was lost elsewhere."""
    there = {name: part for name, part in parts.items() if part is not None}
    worse = [PARTS[name] for name, part in there.items() if part["word"] == "worse"]
    better = [PARTS[name] for name, part in there.items() if part["word"] == "better"]
    not_held = [PARTS[name] for name, part in there.items() if not part["held"]]
    lost = {
        f"{name} against {whom}": None
        for whom, facts in (("the live version", lost_to_live), ("the base", lost_to_base))
        for name in (facts or {}).get("broken", [])
    }
    unclear = {
        f"{name} against {whom}": None
        for whom, facts in (("the live version", lost_to_live), ("the base", lost_to_base))
        for name in (facts or {}).get("unclear", [])
    }

    if worse:
        return "worse", f"Worse than the live version on {' and '.join(worse)}."
    if lost:
        return "worse", f"It lost more elsewhere than its budgets allow: {listed(list(lost))}."
    if better and not not_held and not unclear:
        others = [PARTS[name] for name in there if PARTS[name] not in better]
        more = f", and within the margin on {others[0]}" if others else ""
        elsewhere = "nothing was lost elsewhere" if lost_to_live else "what it lost elsewhere was not measured"
        return "better", f"Better than the live version on {' and '.join(better)}{more}; {elsewhere}."
    if unclear:
        return "cannot tell", f"The rows cannot tell what it lost elsewhere: {listed(list(unclear))}."
    if not_held:
        rows = count(min(part["rows"] for part in there.values() if not part["held"]), "row")
        gain = f"Better on {' and '.join(better)}, but on" if better else "On"
        return "cannot tell", f"{gain} {' and '.join(not_held)} it may be worse than the margin allows ({rows})."
    return (
        "as good",
        f"As good as the live version, within the margin, on {' and '.join(PARTS[name] for name in there)}.",
    )
