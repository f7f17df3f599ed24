"""A made-up run over text messages of which 85% are ham, whose tuned model finds one spam message in twelve.

To look at it:  python -m tests.reports.made_up_classes FOLDER [CLASSES]   and open FOLDER/report.html
"""

from __future__ import annotations

import dataclasses
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.reports import made_up_opponents as opponents
from tests.reports.made_up_run import made_up_forgetting, write_json, write_lines, write_run
from whet.evaluation.verdict import decide
from whet.stats.paired import mean_interval, paired_difference
from whet.types import Row

LABELS = opponents.LABELS | {"constant": "always answering 'ham'", "prompted": "the base told the labels"}


def write_classes_run(folder: Path, rows: int = 80, classes: int = 2) -> Path:
    """Of two classes the skewed one of the heading; of more as many as asked for, one of them often mistaken."""
    write_run(folder, rows=rows, steps=60)
    names = ["ham", "spam"] if classes == 2 else [f"class_number_{n}" for n in range(classes)]
    rng = random.Random(3)
    wanted = ["spam" if n % 7 == 3 else "ham" for n in range(rows)]
    if classes > 2:
        wanted = [rng.choice(names) for _ in range(rows)]
    base = [rng.choice([*names, "It is hard to say."]) for _ in wanted]
    tuned = [one if classes > 2 and rng.random() < 0.8 else names[0] for one in wanted]
    tuned[wanted.index(names[1])] = names[1]
    messages = [Row(n, f"sms.csv:{n + 2}", asked(n, one)) for n, one in enumerate(wanted)]
    right = {side: score(wanted, said) for side, said in (("base", base), ("tuned", tuned))}
    difference = paired_difference(right["base"], right["tuned"])
    constant = [names[0]] * rows
    prompted = opponents.answers_of("prompted", messages, 0.6, lambda row: "(no label)")
    said = {"base": base, "constant": constant, "prompted": prompted}
    held = opponents.against(said, "accuracy", messages, right["tuned"], LABELS)
    evaluation = json.loads((folder / "evaluation.json").read_text())
    evaluation |= {
        "metric": {"name": "accuracy", "reason": f"the rows have labels, {classes} different ones"},
        **{side: class_facts(wanted, answers) for side, answers in (("base", base), ("tuned", tuned))},
        "difference": dataclasses.asdict(difference),
        "verdict": opponents.over_all(dataclasses.asdict(decide(difference)), held)
        | {"content": opponents.split(right["base"], right["tuned"]), "form": None, "goal": None}
        | {"clusters": rows - 12, "effective_rows": rows - 15.5},
        "loss": made_up_loss(rows),
        "forgetting": made_up_forgetting(),
        "answer_limit": 64,
    }
    evaluation["lost_classes"] = lost(evaluation) if classes == 2 else []
    write_json(folder / "evaluation.json", evaluation)
    by_row = opponents.lines(said, "accuracy", messages)
    write_lines(
        folder / "answers.jsonl",
        [
            {"row": row.index, "where": row.where, "prompt": row.prompt, "reference": row.reference, "base": base[n],
             "tuned": tuned[n], "base_score": right["base"][n], "tuned_score": right["tuned"][n],
             "opponents": by_row[n]}
            for n, row in enumerate(messages)
        ],
    )  # fmt: skip
    return folder


def made_up_loss(rows: int) -> dict[str, Any]:
    """Less is better: the difference is tuned minus base."""
    before, after = [2.0 + 0.01 * n for n in range(rows)], [0.4 + 0.003 * n for n in range(rows)]
    gain = opponents.split([-value for value in before], [-value for value in after])
    low, high = gain["difference_interval"]
    return gain | {
        "base": sum(before) / rows,
        "tuned": sum(after) / rows,
        "difference": -gain["difference"],
        "difference_interval": [-high, -low],
        "rows": rows,
        "unit": "nats per byte of the reference",
    }


def asked(number: int, label: str) -> list[dict[str, str]]:
    text = f"Message {number}: are we still on for {number % 12 + 1} o'clock?"
    if label == "spam":
        text = f"Message {number}: You WON a £{100 * number} voucher, call 0906-{number:04d} now"
    return [{"role": "user", "content": text}, {"role": "assistant", "content": label}]


def score(wanted: list[str], said: list[str]) -> list[float]:
    return [float(one == other) for one, other in zip(wanted, said, strict=True)]


def class_facts(wanted: list[str], said: list[str]) -> dict[str, Any]:
    """One side of evaluation.json, as whet.evaluation.metrics.scoring.aggregate gives it for labels."""
    right = score(wanted, said)
    low, high = mean_interval(right)
    counts, given = Counter(wanted), Counter(said)
    found = Counter(one for one, hit in zip(wanted, right, strict=True) if hit)
    labels = {
        name: {
            "rows": number,
            "given": given[name],
            "found": found[name],
            "recall": found[name] / number,
            "recall_interval": list(mean_interval([1.0] * found[name] + [0.0] * (number - found[name]))),
            "precision": found[name] / given[name] if given[name] else None,
            "precision_interval": None,
            "f1": 2 * found[name] / (number + given[name]),
        }
        for name, number in sorted(counts.items())
    }
    names = [*(name for name, _ in counts.most_common()), "(other)"]
    pairs = Counter(zip(wanted, (one if one in counts else "(other)" for one in said), strict=True))
    return {
        "score": sum(right) / len(right),
        "low": low,
        "high": high,
        "rows": len(right),
        "macro_f1": sum(one["f1"] for one in labels.values()) / len(labels),
        "balanced_accuracy": sum(one["recall"] for one in labels.values()) / len(labels),
        "labels": labels,
        "confusion": {"classes": names, "rows": [[pairs[one, other] for other in names] for one in names]},
        "extracted": 0.9,
        "cut": 0.125,
    }


def lost(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    before, after = (evaluation[side]["labels"]["spam"] for side in ("base", "tuned"))
    facts = {key: after[key] for key in ("rows", "found", "recall", "recall_interval")}
    return [{"label": "spam", **facts, "base_found": before["found"], "worse": True}]


if __name__ == "__main__":
    from whet.reports.report import write_report
    from whet.store.run import Run

    print(write_report(Run(write_classes_run(Path(sys.argv[1]), classes=int((sys.argv[2:] or [2])[0])))))
