"""From the values in a run's files to what the report's template draws: words, percentages and charts."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from whet.evaluate import chart
from whet.evaluate.ship_view import measure_row, measures
from whet.evaluate.units import bare, points, signed, told_change, told_change_range, told_metric, told_score, unit
from whet.evaluate.verdict import EQUIVALENCE

WORDS = {
    "better": ("Better", "\u25b2"),
    "worse": ("Worse", "\u25bc"),
    "no-difference": ("No difference", "\u25cf"),
    "undecided": ("Undecided", "?"),
}
FATES = (("trained", "Trained on"), ("validation", "Validation"), ("test", "Test, sealed"), ("dropped", "Dropped"))
MOST_PARTS = 24


def trouble(status: dict[str, Any]) -> tuple[str, str] | None:
    """A headline and a reason when the run did not come to its end."""
    titles = {"failed": "This run failed", "stopped": "This run was stopped"}
    word = str(status.get("status"))
    reason = status.get("error") or status.get("reason") or "The numbers below are as far as it came."
    return (titles[word], str(reason)) if word in titles else None


def verdict_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """The headline with both intervals placed on their axes; None for a run without a verdict."""
    verdict, difference = evaluation.get("verdict"), evaluation.get("difference")
    if not verdict or not difference:
        return None
    title, sign = WORDS[verdict["word"]]
    low, high = number(difference["low"], -1.0), number(difference["high"], 1.0)
    estimate, scale = difference["estimate"], difference.get("scale")
    metric = evaluation.get("metric") or {}
    band, factor = EQUIVALENCE * (scale or 1.0), 100 if scale is None else 1
    reach = (min(low, -1.6 * band), max(high, 1.6 * band))
    start, end = chart.widen(factor * reach[0], factor * reach[1], 0.08)
    sides = {name: evaluation[name] for name in ("base", "tuned") if evaluation.get(name)}
    score_range = (0.0, 1.0) if scale is None else around(list(sides.values()))
    return {
        "word": verdict["word"],
        "title": title,
        "sign": sign,
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


def compares_likelihoods(evaluation: dict[str, Any]) -> bool:
    """True when nothing was generated, so that there are no answers to show."""
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
    """(label, value, note) of the key numbers that the run has, what it cost first."""
    found: list[tuple[str, str, str]] = []
    difference, stopped = evaluation.get("difference") or {}, evaluation.get("stopped") or {}
    if evaluation.get("seconds") is not None:
        rate = evaluation.get("tokens_per_second")
        found.append(("Time", duration(evaluation["seconds"]), f"{rate:,.0f} tokens a second" if rate else ""))
    if evaluation.get("peak_memory_bytes"):
        found.append(("Peak memory", size(evaluation["peak_memory_bytes"]), ""))
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
    """Base against tuned for each field (json) or label (accuracy), the largest changes first."""
    base, tuned = evaluation.get("base") or {}, evaluation.get("tuned") or {}
    key = "fields" if "fields" in tuned else "labels"
    before, after = part_scores(base.get(key)), part_scores(tuned.get(key))
    if not (rows := part_rows(before, after)):
        return None
    wholes = [
        (label, percent(base[whole]), percent(tuned[whole]))
        for whole, label in (("validity", "Valid JSON"), ("field_f1", "F1 over fields"), ("macro_f1", "Macro-F1"))
        if whole in base and whole in tuned
    ]
    title = "Field by field" if key == "fields" else "Label by label"
    return {"title": title, "rows": rows[:MOST_PARTS], "more": len(rows[MOST_PARTS:]), "wholes": wholes}


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


def charts(metrics: list[dict[str, Any]], stopped: dict[str, Any]) -> list[chart.Chart]:
    """The loss first, then what else the run logged."""
    loss, validation = series(metrics, "loss"), series(metrics, "validation_loss")
    lines = [
        chart.Line("each step", "raw", loss),
        chart.Line("training loss", "train", chart.smooth(loss, max(1, len(loss) // 20))),
        chart.Line("validation loss", "validation", validation),
    ]
    best = stopped.get("best_step")
    marks = [(best, f"best, step {best:,}")] if best is not None else []
    others = (
        ("kl", "KL to the base, nats"),
        ("entropy", "Entropy of what was sampled, nats a token"),
        ("answer_tokens", "Tokens an answer"),
        ("learning_rate", "Learning rate"),
        ("grad_norm", "Gradient norm"),
        ("tokens_per_second", "Tokens a second"),
    )
    reward = series(metrics, "reward")
    rewards = [
        chart.Line("each step", "raw", reward),
        chart.Line("sampled answers", "train", chart.smooth(reward, max(1, len(reward) // 20))),
        chart.Line("validation, greedy answers", "validation", series(metrics, "validation_reward")),
    ]
    made = [chart.chart("Reward", rewards, marks, wide=True), chart.chart("Loss", lines, marks, wide=True)]
    made += [chart.chart(title, [chart.Line(title, "plain", series(metrics, key))]) for key, title in others]
    return [one for one in made if one]


def series(metrics: list[dict[str, Any]], key: str) -> list[chart.Point]:
    """(step, value) of the lines that have a finite value."""
    return [(line["step"], line[key]) for line in metrics if "step" in line and is_finite(line.get(key))]


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
    }


def forgetting_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Every measure as a row of a table, and the skills of the base one by one."""
    found = measures(evaluation)
    if not found:
        return None
    parts = next((one["details"]["parts"] for one in found if "parts" in (one.get("details") or {})), {})
    before, after = (part_scores(parts.get(side), "score") for side in ("base", "tuned"))
    return {"rows": [measure_row(one) for one in found], "skills": part_rows(before, after)}


def choices_view(choices: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(key, value, reason) of each setting that a rule filled in."""
    return [(choice["key"], setting(choice["value"]), choice["reason"]) for choice in choices]


def setting(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else plain_word(value)


def flatten(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Any JSON value as (dotted key, text) pairs."""
    if isinstance(value, dict):
        return [
            pair for key, item in value.items() for pair in flatten(item, f"{prefix}.{key}" if prefix else str(key))
        ]
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return [pair for place, item in enumerate(value, 1) for pair in flatten(item, f"{prefix} {place}".strip())]
    text = ", ".join(map(str, value)) if isinstance(value, list) else plain_word(value)
    return [(prefix, text)] if prefix else []


def plain_word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\u2013" if value is None else str(value)


def number(value: Any, otherwise: float) -> float:
    return float(value) if is_finite(value) else otherwise


def is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def probability(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(count: float) -> str:
    for word in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {word}"
        count /= 1000
    return f"{count:.2f} GB"


def day(date: datetime) -> str:
    return f"{date.day} {date:%B %Y}"
