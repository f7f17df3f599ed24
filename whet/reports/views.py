"""From the values in a run's files to what the report's template draws: words, percentages and tables."""

from __future__ import annotations

from typing import Any

from whet.evaluation.verdict import EQUIVALENCE
from whet.reports import chart
from whet.reports.sections.decision import measure_row, measures
from whet.reports.sheet import Cell, Sheet, figure, plain
from whet.text.numbers import bare, points, signed, told_change, told_change_range, told_metric, told_score, unit
from whet.text.wording import WORDS, number, percent, probability, setting

FATES = (
    ("trained", "Trained on"),
    ("validation", "Validation"),
    ("test", "Test, read only for the verdict"),
    ("dropped", "Dropped"),
)
MOST_PARTS = 24


def trouble(status: dict[str, Any]) -> tuple[str, str] | None:
    """A headline and a reason when the run did not come to its end."""
    titles = {"failed": "This run failed", "stopped": "This run was stopped"}
    word = str(status.get("status"))
    reason = status.get("error") or status.get("reason") or "The numbers below are as far as it came."
    return (titles[word], str(reason)) if word in titles else None


def verdict_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Tuned against base, with both intervals placed on their axes; None for a run without a verdict."""
    verdict, difference = evaluation.get("verdict"), evaluation.get("difference")
    if not verdict or not difference:
        return None
    held = next((one for one in verdict.get("against") or [] if one["name"] == "base"), verdict)
    title, _ = WORDS[held["word"]]
    low, high = number(difference["low"], -1.0), number(difference["high"], 1.0)
    estimate, scale = difference["estimate"], difference.get("scale")
    metric = evaluation.get("metric") or {}
    band, factor = EQUIVALENCE * (scale or 1.0), 100 if scale is None else 1
    reach = (min(low, -1.6 * band), max(high, 1.6 * band))
    start, end = chart.widen(factor * reach[0], factor * reach[1], 0.08)
    sides = {name: evaluation[name] for name in ("base", "tuned") if evaluation.get(name)}
    score_range = (0.0, 1.0) if scale is None else around(list(sides.values()))
    return {
        "word": held["word"],
        "title": title,
        "sentence": verdict["sentence"],
        "estimate": told_change(estimate, scale),
        "unit": unit(scale),
        "range": told_change_range(low, high, scale),
        "span": chart.span(factor * low, factor * estimate, factor * high, start, end),
        "zero": chart.span(0, 0, 0, start, end).centre,
        "band": chart.span(-factor * band, 0, factor * band, start, end),
        "band_label": f"\u00b1{points(EQUIVALENCE) if scale is None else bare(band)}",
        "ticks": chart.axis(start, end, 6, sign=True),
        "scores": [score_view(name, side, scale, score_range) for name, side in sides.items()],
        "score_ticks": chart.axis(factor * score_range[0], factor * score_range[1], 4),
        "metric": metric | {"name": told_metric(metric.get("name") or "")},
    }


def has_texts(answer: dict[str, Any]) -> bool:
    """False where probabilities were compared and nothing was written for this row."""
    return bool(answer.get("base") or answer.get("tuned"))


def compares_likelihoods(evaluation: dict[str, Any]) -> bool:
    """True when the scores need no answers in words."""
    return (evaluation.get("metric") or {}).get("name") in ("nll", "preference-accuracy", "mark-accuracy")


def around(sides: list[dict[str, Any]]) -> tuple[float, float]:
    """A range that holds the scores of both sides with their intervals, for scores outside 0..1."""
    ends = [number(side.get(key), side["score"]) for side in sides for key in ("low", "score", "high")]
    return chart.widen(min(ends), max(ends), 0.1)


def score_view(name: str, side: dict[str, Any], scale: float | None, ends: tuple[float, float]) -> dict[str, Any]:
    score = side["score"]
    low, high = number(side.get("low"), score), number(side.get("high"), score)
    return {
        "name": name,
        "score": told_score(score, scale),
        "range": f"{told_score(low, scale)} to {told_score(high, scale)}",
        "span": chart.span(low, score, high, *ends),
    }


def tiles(evaluation: dict[str, Any], ledger: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(label, value, note) of the key numbers that the first screen does not tell."""
    found: list[tuple[str, str, str]] = []
    difference, stopped = evaluation.get("difference") or {}, evaluation.get("stopped") or {}
    if difference:
        note = f"{difference['test']}; rows that differ: {difference['discordant']:,} of {difference['rows']:,}"
        if "rows" not in difference:
            note = difference["test"]
        found.append(("p-value", probability(difference["p"]), note))
    if evaluation.get("detectable_gain") is not None:
        found.append(
            (
                "Detectable gain",
                points(round(evaluation["detectable_gain"], 3)),
                "these test rows show, if 30% of them differ",
            )
        )
    base, tuned = (evaluation.get(side, {}).get("nll_per_token") for side in ("base", "tuned"))
    if tuned is not None:
        note = "nats per token of the reference" + (f"; base {chart.brief(base)}" if base is not None else "")
        found.append(("Reference loss", chart.brief(tuned), note))
    if stopped.get("step") is not None:
        best = f"best at {stopped['best_step']:,}" if stopped.get("best_step") is not None else ""
        found.append(
            ("Steps", f"{stopped['step']:,}", "; ".join(filter(None, [best, str(stopped.get("reason") or "")])))
        )
    if ledger.get("supervised_tokens") is not None:
        note = f"of {ledger['tokens']:,} tokens" if ledger.get("tokens") else ""
        found.append(("Supervised tokens", f"{ledger['supervised_tokens']:,}", note))
    return found


def parts_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Base against tuned for each field of JSON answers, the largest changes first."""
    base, tuned = evaluation.get("base") or {}, evaluation.get("tuned") or {}
    before, after = part_scores(base.get("fields")), part_scores(tuned.get("fields"))
    if not (rows := part_rows(before, after)):
        return None
    wholes = [
        (label, percent(base[whole]), percent(tuned[whole]))
        for whole, label in (("validity", "Valid JSON"), ("field_f1", "F1 over fields"))
        if whole in base and whole in tuned
    ]
    return {"rows": rows[:MOST_PARTS], "more": len(rows[MOST_PARTS:]), "wholes": wholes}


def part_rows(before: dict[str, float], after: dict[str, float]) -> list[dict[str, Any]]:
    """Name, base and tuned in percent, and the change of each part that both sides have."""
    names = sorted(before.keys() & after.keys(), key=lambda name: (-abs(after[name] - before[name]), name))
    return [
        {
            "name": name,
            "base": 100 * before[name],
            "tuned": 100 * after[name],
            "change": signed(100 * (after[name] - before[name])),
        }
        for name in names
    ]


def part_scores(table: dict[str, Any] | None, key: str = "f1") -> dict[str, float]:
    return {name: value[key] if isinstance(value, dict) else value for name, value in (table or {}).items()}


def ledger_view(ledger: dict[str, Any]) -> dict[str, Any] | None:
    """Where every input row went, and whether the counts add up."""
    if not ledger:
        return None
    held_out, dropped = ledger.get("held_out") or {}, ledger.get("dropped") or {}
    counts = {
        "trained": ledger.get("trained", 0),
        "validation": held_out.get("validation", 0),
        "test": held_out.get("test", 0),
        "dropped": sum(dropped.values()),
    }
    rows_in, total = ledger["rows_in"], sum(counts.values())
    fates = [
        {"key": key, "label": label, "rows": counts[key], "share": 100 * counts[key] / max(total, 1)}
        for key, label in FATES
    ]
    missing = rows_in - total
    return {
        "rows_in": rows_in,
        "fates": fates,
        "dropped": sorted(dropped.items(), key=lambda i: (-i[1], i[0])),
        "missing": missing,
        "cut": ledger.get("truncated") or {"rows": 0},  # of a run before rows that were cut were counted
    }


def forgetting_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Every measure as a row of a table, and the skills of the base one by one."""
    found = measures(evaluation)
    if not found:
        return None
    parts = next((one["details"]["parts"] for one in found if "parts" in (one.get("details") or {})), {})
    before, after = (part_scores(parts.get(side), "score") for side in ("base", "tuned"))
    rows = [measure_cells(measure_row(one)) for one in found]
    return {
        "sheet": Sheet(["measure", "word", "change", "95% interval", "budget", "base", "tuned"], rows),
        "skills": part_rows(before, after),
    }


def measure_cells(row: dict[str, str]) -> list[Cell]:
    return [
        Cell(row["what"]),
        Cell(row["label"], chip=row["word"]),
        figure(row["loss"]),
        figure(row["range"]),
        Cell(row["budget"], row["reason"]),
        *(Cell(row[side], figure=True, empty=row[side] == "\u2013") for side in ("base", "tuned")),
    ]


def choices_view(choices: list[dict[str, Any]]) -> Sheet | None:
    """Key, value and reason of each setting that a rule filled in."""
    rows = [plain(choice["key"], setting(choice["value"]), choice["reason"]) for choice in choices]
    return Sheet(["key", "value", "reason"], rows, style="keys choices") if rows else None
